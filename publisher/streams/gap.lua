-- Notices entries that were removed from a stream before its group was given them.
--
-- KEYS[1]  the stream, KEYS[2] the list of losses that wait to be recorded.
-- ARGV     the group, milliseconds to keep the list.
-- Returns  the group's last delivered id; nil if there is no such group.
--
-- Trimming removes the oldest first, and our own spares the last entry that was delivered. So while that one stands,
-- nothing behind it was trimmed. Once it is gone, somebody else removed it, and perhaps more: Redis counts what was
-- ever added, and what the group was given of it; what is missing on the stream is lost. Redis 7.0 goes on counting as
-- if the lost ones would still come: the group's count is put right, or its lag would stay too large for ever.
--
-- Redis forgets the count of a group that reads past an entry deleted by its id, and Redis 7.0 begins it anew when it
-- restarts. It is put right as soon as little stands behind the last delivered entry: without it a gap could not be told
-- from entries removed once they were done.
--
-- To be run in one transaction with the reading: once the group has read past a gap, nobody can tell any more.
local stream, group = KEYS[1], ARGV[1]
local FEW = 100

local function named(flat)
    local found = {}
    for i = 1, #flat, 2 do
        found[flat[i]] = flat[i + 1]
    end
    return found
end

if redis.call('EXISTS', stream) == 0 then
    return false
end
local own
for _, flat in ipairs(redis.call('XINFO', 'GROUPS', stream)) do
    local found = named(flat)
    if found.name == group then
        own = found
    end
end
if not own then
    return false
end
local delivered, read = own['last-delivered-id'], own['entries-read']
local stands = #redis.call('XRANGE', stream, delivered, delivered) > 0
if stands and read then
    -- Entries that wait, and none behind the last delivered one: the count is wrong.
    local waits = own.lag and own.lag > 0
    if not waits or #redis.call('XRANGE', stream, '(' .. delivered, '+', 'COUNT', 1) > 0 then
        return delivered
    end
    read = nil
end
local whole = named(redis.call('XINFO', 'STREAM', stream))
local last, added, first = whole['last-generated-id'], whole['entries-added'], whole['first-entry']
local function count_from(behind)
    redis.call('XGROUP', 'SETID', stream, group, delivered, 'ENTRIESREAD', string.format('%.0f', added - behind))
end
-- A group that was given nothing has missed nothing so far that anybody counted.
if delivered == '0-0' and not read then
    if added then
        count_from(whole.length)
    end
    return delivered
end
if added and not read and (stands or not before(delivered, last)) then
    local behind = #redis.call('XRANGE', stream, '(' .. delivered, '+', 'COUNT', FEW)
    if behind < FEW then
        count_from(behind)
    end
end
if stands or not before(delivered, last) or (first and not before(delivered, first[1])) then
    return delivered
end
local lost
if read and added then
    lost = added - read - whole.length
    if lost <= 0 then
        return delivered
    end
end
-- Where nothing is left, there is nothing to read either that would lead past the gap.
local behind = first and delivered or last
if lost then
    redis.call('XGROUP', 'SETID', stream, group, behind, 'ENTRIESREAD', string.format('%.0f', added - whole.length))
elseif not first then
    redis.call('XGROUP', 'SETID', stream, group, behind)
end
local loss = { cause = 'trimmed', after = delivered, before = first and first[1] or last, entries = lost }
redis.call('RPUSH', KEYS[2], cjson.encode(loss))
redis.call('PEXPIRE', KEYS[2], ARGV[2])
return behind
