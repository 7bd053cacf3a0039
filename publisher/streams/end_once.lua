-- Ends deliveries that have no command: from now on a late append finds a tombstone in the place of the witness (R12).
--
-- KEYS[n]  the witness of the nth delivery, all of one stream and so in one slot.
-- ARGV     window in ms, then the tombstone of each delivery.
-- Returns  for each the entry id of the command that stands all the same, whose witness is kept for another window; empty
--          where none does, and none will.
--
-- A tombstone that Redis does not take, being out of memory, is done without: it guards against a worker that was paused
-- between its claim and its append, and such a worker finds a full Redis, too.
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
            redis.pcall('SET', KEYS[n], ARGV[n + 1], 'PX', window)
        end
        reply[n] = ''
    end
end
return reply
