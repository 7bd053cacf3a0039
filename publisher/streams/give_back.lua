-- Gives back what a consumer has read and not acknowledged: free for the next one, as if it had never been given out.
--
-- KEYS[1]  the stream.
-- ARGV     the group, the consumer, milliseconds: how long each entry is to look untouched.
-- Returns  the ids of entries that are gone from the stream. They leave the pending list.
--
-- Whoever takes an entry over counts a delivery: so one is taken off the count first, and a stop costs nothing. In one
-- step: an entry that another consumer takes over meanwhile must not be taken from it.
local group, consumer, idle = ARGV[1], ARGV[2], ARGV[3]
local gone = {}
for _, entry in ipairs(redis.call('XPENDING', KEYS[1], group, '-', '+', 10000, consumer)) do
    local id, deliveries = entry[1], math.max(entry[4] - 1, 0)
    if #redis.call('XRANGE', KEYS[1], id, id) == 0 then
        redis.call('XACK', KEYS[1], group, id)
        gone[#gone + 1] = id
    else
        redis.call('XCLAIM', KEYS[1], group, consumer, 0, id, 'IDLE', idle, 'RETRYCOUNT', deliveries, 'JUSTID')
    end
end
return gone
