-- Ends deliveries that have no command: from now on a late append finds a tombstone in the place of the witness (R12).
--
-- KEYS[n]  the witness of the nth delivery, all of one stream and so in one slot.
-- ARGV     window in ms, then the tombstone of each delivery.
-- Returns  for each the entry id of the command that stands all the same, whose witness is kept for another window; empty
--          where none does, and none will.
--
-- A tombstone is done without where Redis takes no write from anybody, being full, say: it guards against a worker that
-- was paused between its claim and its append, and such a worker is refused as well. Any other refusal is an answer that
-- cannot be relied on: a replica may not know yet what stands.
local TAKES_NO_WRITES = { OOM = true, MISCONF = true, NOREPLICAS = true }
local window, reply = ARGV[1], {}
for n = 1, #KEYS do
    local entry = redis.pcall('GET', KEYS[n])
    if type(entry) == 'table' and entry.err:sub(1, 9) ~= 'WRONGTYPE' then
        return entry
    elseif type(entry) == 'string' and entry:find('^%d+%-%d+$') then
        redis.pcall('PEXPIRE', KEYS[n], window)
        reply[n] = entry
    else
        if type(entry) ~= 'table' then
            local kept = redis.pcall('SET', KEYS[n], ARGV[n + 1], 'PX', window)
            if kept.err and not TAKES_NO_WRITES[kept.err:match('^%S+')] then
                return kept
            end
        end
        reply[n] = ''
    end
end
return reply
