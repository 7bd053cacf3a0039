-- Appends each command at most once per delivery within the window (R12), many commands in one step. Never trims (R13).
--
-- KEYS[1]  the stream, KEYS[2] what was counted of it (see unread.py), KEYS[3] the bucket of its rate limit (see
--          bucket.lua), KEYS[3 + n] the witness of the nth command: all in one slot.
-- ARGV     window in ms, ceiling (0: none), rate limit a second (0: none) and its burst, then for each command: how often
--          its route was requeued, the instant at which it was moved to this stream (0: it was not moved), the number of
--          names and values, names and values.
-- Returns  for each command the entry id that it was appended as, or else a pair of strings, a word and a detail:
--          known        the entry id of an earlier append
--          ended        the tombstone: the route has ended, and its command must not follow (see end_once.lua)
--          moved        nothing: another worker has begun to move the route to another stream since (see end_once.lua)
--          behind       the backlog, and the name of the slowest group after a space, if any group reads the stream
--          limited      milliseconds until there is a token again
--          bucket       the error of the bucket: nothing was appended
--          refused      the error of the stream, or of the witness that could not be set: nothing was appended
--          unwitnessed  the entry id, and after a space why it has no witness
--          witness      the error of the witness's key
--
-- The order is GET, XADD, SET: a script is not rolled back, and a witness set first would lose its command if
-- XADD then failed. A witness that is found is kept for another window: as long as anyone asks for a delivery,
-- it stays known, so that the loss audit (R12a) never takes an old one for a lost one.
-- A command that is written takes a token (R30), and no other does. The bucket is written before the first command too:
-- a server that would not take it is found out before anything stands on the stream.
local window, ceiling, position = ARGV[1], tonumber(ARGV[2]), 5
local rate, burst = tonumber(ARGV[3]), tonumber(ARGV[4])

-- How many entries the slowest group has not read, or not acknowledged, and the group. All of them if there is none.
-- A group of which the server cannot tell counts with what was counted of it, or not at all: an unknown holds nothing
-- back. exactly: leaves out what the server counts as unread though nothing stands behind the last delivered entry.
local function backlog(length, exactly)
    local groups = redis.pcall('XINFO', 'GROUPS', KEYS[1])
    if groups.err then
        -- An unknown, unless there is no stream yet.
        return groups.err:find('no such key', 1, true) and 0 or -math.huge
    elseif #groups == 0 then
        return length
    end
    local most, slowest = -1
    for _, flat in ipairs(groups) do
        local group = {}
        for i = 1, #flat, 2 do
            group[flat[i]] = flat[i + 1]
        end
        local unread = group.lag
        if not unread then
            local counted = redis.pcall('HGET', KEYS[2], group.name)
            unread = type(counted) == 'string' and tonumber(counted) or 0
        end
        if exactly and unread > 0 then
            local next_ = redis.pcall('XRANGE', KEYS[1], '(' .. group['last-delivered-id'], '+', 'COUNT', 1)
            if not next_.err and #next_ == 0 then
                unread = 0
            end
        end
        -- Entries that someone else has trimmed are counted as well, and hold nothing back.
        local behind = math.min(unread + group.pending, length)
        if behind > most then
            most, slowest = behind, group.name
        end
    end
    return most, slowest
end

-- How many new commands have room, and the group that is the reason where there is none.
local function room_for(count)
    if ceiling == 0 then
        return count
    end
    local length = redis.pcall('XLEN', KEYS[1])
    if type(length) == 'table' or length + count <= ceiling then
        return count
    end
    local most, slowest = backlog(length, false)
    if most + count > ceiling then
        most, slowest = backlog(length, true)
    end
    return ceiling - most, slowest
end

-- What stands in the place of a witness is a tombstone. Its text, false if it is none; and the instant at which the route
-- was moved away, 0 if it was not moved but has ended.
local function tombstone(key)
    local found = redis.pcall('HMGET', key, 'ended', 'moved')
    if found.err then
        return false, 0
    end
    return found[1], tonumber(found[2] or 0)
end

-- Whether a tombstone of this text was left by an earlier life of a route that was requeued so often since.
local function is_over(text, requeues)
    local life = text:match('^dead:(%d+)$')
    return life and tonumber(life) < tonumber(requeues)
end

-- Raises by itself for more fields than Lua's stack holds: the fault of this command alone.
local function add(first, last)
    return redis.pcall('XADD', KEYS[1], '*', unpack(ARGV, first, last))
end

-- The bucket, once it was asked for a token; or the result of every new command where it cannot be read or written.
local bucket, no_bucket
local taken = 0

-- Why there is no token for a command, as its result; nil if there is one.
local function without_token()
    if not bucket and not no_bucket then
        local fault
        bucket, fault = filled(KEYS[3], rate, burst)
        fault = fault or keep(KEYS[3], bucket, rate, burst)
        no_bucket = fault and { 'bucket', fault }
    end
    if no_bucket then
        return no_bucket
    elseif bucket.tokens < 1 then
        return { 'limited', string.format('%.0f', math.ceil((1 - bucket.tokens) / rate * 1000)) }
    end
end

local function take_token()
    bucket.tokens = bucket.tokens - 1
    take_back(bucket, 1)
    taken = taken + 1
end

local room, slowest = room_for(#KEYS - 3)
local reply = {}
for n = 4, #KEYS do
    local requeues, moved_here, count = ARGV[position], tonumber(ARGV[position + 1]), tonumber(ARGV[position + 2])
    local entry = redis.pcall('GET', KEYS[n])
    local ended, moved_away = false, 0
    if type(entry) == 'table' then
        ended, moved_away = tombstone(KEYS[n])
    end
    local result
    if moved_away > moved_here then
        result = { 'moved', '' }
    elseif ended and moved_away == 0 and not is_over(ended, requeues) then
        result = { 'ended', ended }
    elseif type(entry) == 'table' and not ended then
        result = { 'witness', entry.err }
    elseif type(entry) == 'string' and entry:find('^%d+%-%d+$') then
        redis.pcall('PEXPIRE', KEYS[n], window)
        result = { 'known', entry }
    elseif type(entry) == 'string' then
        result = { 'witness', 'ERR the witness is no entry id' }
    elseif room <= 0 then
        result = { 'behind', (ceiling - room) .. (slowest and ' ' .. slowest or '') }
    elseif rate > 0 then
        result = without_token()
    end
    if not result then
        local ran, added = pcall(add, position + 3, position + 2 + count)
        if type(added) == 'table' then
            result = { 'refused', added.err }
        elseif not ran then
            result = { 'refused', tostring(added) }
        else
            room = room - 1
            result = added
            local kept = redis.pcall('SET', KEYS[n], added, 'PX', window)
            -- Nobody can have read the entry yet: all of this is one step.
            if kept.err and redis.pcall('XDEL', KEYS[1], added) == 1 then
                result = { 'refused', kept.err }
            else
                result = kept.err and { 'unwitnessed', added .. ' ' .. kept.err } or added
                if bucket then
                    take_token()
                end
            end
        end
    end
    reply[n - 3] = result
    position = position + count + 3
end
if taken > 0 then
    keep(KEYS[3], bucket, rate, burst)
end
return reply
