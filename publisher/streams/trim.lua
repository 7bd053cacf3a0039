-- Trims entries that every group has acknowledged, in one step.
--
-- KEYS[1]  the stream.
-- ARGV     a group without which nothing is trimmed, or nothing if any group will do; milliseconds to keep by the
--          server's clock; the most entries to remove.
-- Returns  the number removed.
--
-- Below a group's first pending entry, and below its last delivered one, everything is acknowledged. A group that
-- never read wants the whole stream. Without any group nobody can be asked, and nothing is trimmed; neither is anything
-- of the intents without the service's own group: nobody has taken them in yet.
--
-- Only whole nodes of the stream are removed ("~"): cheap, and a node's worth of old entries may stay.
local own, keep, limit = ARGV[1], tonumber(ARGV[2]), ARGV[3]

if redis.call('EXISTS', KEYS[1]) == 0 then
    return 0
end
local time = redis.call('TIME')
local floor = string.format('%.0f-0', math.max(0, time[1] * 1000 + math.floor(time[2] / 1000) - keep))
local found = false
for _, flat in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
    local group = {}
    for i = 1, #flat, 2 do
        group[flat[i]] = flat[i + 1]
    end
    found = found or own == '' or group.name == own
    local done = group['last-delivered-id']
    if group.pending > 0 then
        done = redis.call('XPENDING', KEYS[1], group.name, '-', '+', 1)[1][1]
    end
    if before(done, floor) then
        floor = done
    end
end
if not found then
    return 0
end
return redis.call('XTRIM', KEYS[1], 'MINID', '~', floor, 'LIMIT', limit)
