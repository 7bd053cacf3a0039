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
--
-- A tombstone is a hash with one field, `ended`. The release before, which works beside this one during a deploy, takes
-- any string for the entry id of a command: to it a hash is an error, and its attempt fails.
local TAKES_NO_WRITES = { OOM = true, MISCONF = true, NOREPLICAS = true }

-- The error of what could not be written; nil if the tombstone stands, or if a key of another kind does.
local function bury(key, tombstone, window)
    for _, command in ipairs({ { 'HSET', key, 'ended', tombstone }, { 'PEXPIRE', key, window } }) do
        local done = redis.pcall(unpack(command))
        if type(done) == 'table' then
            return done.err:sub(1, 9) ~= 'WRONGTYPE' and done or nil
        end
    end
end

local window, reply = ARGV[1], {}
for n = 1, #KEYS do
    local entry = redis.pcall('GET', KEYS[n])
    if type(entry) == 'table' and entry.err:sub(1, 9) ~= 'WRONGTYPE' then
        return entry
    elseif type(entry) == 'string' and entry:find('^%d+%-%d+$') then
        redis.pcall('PEXPIRE', KEYS[n], window)
        reply[n] = entry
    else
        local refused = bury(KEYS[n], ARGV[n + 1], window)
        if refused and not TAKES_NO_WRITES[refused.err:match('^%S+')] then
            return refused
        end
        reply[n] = ''
    end
end
return reply
