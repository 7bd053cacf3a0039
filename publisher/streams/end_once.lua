-- Ends deliveries that have no command on this stream, because their routes have ended or move to another stream: from now
-- on a late append finds a tombstone in the place of the witness (R12).
--
-- KEYS[n]  the witness of the nth delivery, all of one stream and so in one slot.
-- ARGV     window in ms, the instant at which the routes move away (0: they have ended), then the tombstone of each delivery.
-- Returns  for each the entry id of the command that stands all the same, whose witness is kept for another window; empty
--          where none does, and none will.
--
-- A tombstone is done without where Redis takes no write from anybody, being full, say: it guards against a worker that
-- was paused between its claim and its append, and such a worker is refused as well. Any other refusal is an answer that
-- cannot be relied on: a replica may not know yet what stands.
--
-- A tombstone is a hash: `ended` is its text, and `moved` the instant, 0 of a route that has ended. A route may come back:
-- an append that was moved here later than it moved away passes the tombstone. So a later move stays, and so does the end.
-- A release before this one knows no `moved`, and reads the text alone.
local TAKES_NO_WRITES = { OOM = true, MISCONF = true, NOREPLICAS = true }

-- The error of what could not be written; nil if the tombstone stands, or if a key of another kind does.
local function bury(key, tombstone, moved, window)
    local commands = { { 'HSET', key, 'ended', tombstone, 'moved', moved }, { 'PEXPIRE', key, window } }
    for _, command in ipairs(commands) do
        local done = redis.pcall(unpack(command))
        if type(done) == 'table' then
            return done.err:sub(1, 9) ~= 'WRONGTYPE' and done or nil
        end
    end
end

-- Whether a tombstone stands that holds back whatever one of this move would: of a later move, or of the end for good.
local function is_held(key, moved)
    local found = redis.pcall('HMGET', key, 'ended', 'moved')
    if found.err or not found[1] then
        return false
    end
    local before = tonumber(found[2] or 0)
    return before >= tonumber(moved) or before == 0 and not found[1]:find('^dead:')
end

local window, moved, reply = ARGV[1], ARGV[2], {}
for n = 1, #KEYS do
    local entry = redis.pcall('GET', KEYS[n])
    if type(entry) == 'table' and entry.err:sub(1, 9) ~= 'WRONGTYPE' then
        return entry
    elseif type(entry) == 'string' and entry:find('^%d+%-%d+$') then
        redis.pcall('PEXPIRE', KEYS[n], window)
        reply[n] = entry
    elseif moved ~= '0' and is_held(KEYS[n], moved) then
        reply[n] = ''
    else
        local refused = bury(KEYS[n], ARGV[n + 2], moved, window)
        if refused and not TAKES_NO_WRITES[refused.err:match('^%S+')] then
            return refused
        end
        reply[n] = ''
    end
end
return reply
