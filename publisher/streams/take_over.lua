-- Takes over what other consumers have read and not acknowledged for long, and counts a delivery of each entry.
--
-- KEYS[1]  the stream.
-- ARGV     the group, the consumer, milliseconds: for how long an entry was left alone; then how many are taken at once
--          that were delivered never, once, twice, and more often.
-- Returns  the entries, each as id, names and values, deliveries with this one; the ids of those that are gone from the
--          stream, which leave the pending list; and 1 if there are others.
--
-- Entries of one call were delivered equally often. An entry that kills its reader takes its neighbours along: so each
-- death makes the next batch smaller, and the entries that the reader did not have count nothing.
local group, consumer, idle = ARGV[1], ARGV[2], ARGV[3]
local taken, gone, times, size, more = {}, {}, nil, 0, 0
local pending, from = nil, '-'
repeat
    pending = redis.call('XPENDING', KEYS[1], group, 'IDLE', idle, from, '+', 1000)
    for _, entry in ipairs(pending) do
        local id, owner, deliveries = entry[1], entry[2], entry[4]
        from = '(' .. id
        if owner ~= consumer then
            if times == nil then
                times = deliveries
                size = tonumber(ARGV[math.min(4 + deliveries, #ARGV)])
            end
            if deliveries ~= times or #taken == size then
                more = 1
            else
                local found = redis.call('XRANGE', KEYS[1], id, id)
                if #found == 0 then
                    redis.call('XACK', KEYS[1], group, id)
                    gone[#gone + 1] = id
                else
                    redis.call(
                        'XCLAIM', KEYS[1], group, consumer, idle, id, 'RETRYCOUNT', deliveries + 1, 'JUSTID'
                    )
                    taken[#taken + 1] = {id, found[1][2], deliveries + 1}
                end
            end
        end
    end
until #pending < 1000 or #taken == size and size > 0
if #pending == 1000 then
    more = 1
end
return {taken, gone, more}
