-- Appends each command at most once per delivery within the window (R12), many commands in one step. Never trims (R13).
--
-- KEYS[1]  the stream, KEYS[2] what was counted of it (see trimming.py), KEYS[2 + n] the witness of the nth command: all
--          in one slot.
-- ARGV     window in ms, ceiling (0: none), then for each command: how often its route was requeued, the number of
--          names and values, names and values.
-- Returns  for each command the entry id that it was appended as, or else a pair of strings, a word and a detail:
--          known        the entry id of an earlier append
--          ended        the tombstone: the route has ended, and its command must not follow (see end_once.lua)
--          behind       the backlog, and the name of the slowest group after a space, if any group reads the stream
--          refused      the error of the stream, or of the witness that could not be set: nothing was appended
--          unwitnessed  the entry id, and after a space why it has no witness
--          witness      the error of the witness's key
--
-- The order is GET, XADD, SET: a script is not rolled back, and a witness set first would lose its command if
-- XADD then failed. A witness that is found is kept for another window: as long as anyone asks for a delivery,
-- it stays known, so that the loss audit (R12a) never takes an old one for a lost one.
local window, ceiling, position = ARGV[1], tonumber(ARGV[2]), 3

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

-- What stands in the place of a witness is a tombstone. Its text; false if it is none.
local function tombstone(key)
    local text = redis.pcall('HGET', key, 'ended')
    return type(text) == 'string' and text
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

local room, slowest = room_for(#KEYS - 2)
local reply = {}
for n = 3, #KEYS do
    local requeues, count = ARGV[position], tonumber(ARGV[position + 1])
    local entry = redis.pcall('GET', KEYS[n])
    local ended = type(entry) == 'table' and tombstone(KEYS[n])
    local result
    if ended and not is_over(ended, requeues) then
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
    else
        local ran, added = pcall(add, position + 2, position + 1 + count)
        if type(added) == 'table' then
            result = { 'refused', added.err }
        elseif not ran then
            result = { 'refused', tostring(added) }
        else
            room = room - 1
            result = added
            local kept = redis.pcall('SET', KEYS[n], added, 'PX', window)
            if kept.err then
                -- Nobody can have read the entry yet: all of this is one step.
                if redis.pcall('XDEL', KEYS[1], added) == 1 then
                    result = { 'refused', kept.err }
                else
                    result = { 'unwitnessed', added .. ' ' .. kept.err }
                end
            end
        end
    end
    reply[n - 2] = result
    position = position + count + 2
end
return reply
