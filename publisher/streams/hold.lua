-- Makes pending entries of a consumer look freshly read.
--
-- KEYS[1]  the stream.
-- ARGV     the group, the consumer, the ids.
--
-- XCLAIM drops an entry that is gone from the stream from the pending list without a word: it is left there, so that
-- its loss is seen.
local group, consumer = ARGV[1], ARGV[2]
for i = 3, #ARGV do
    if #redis.call('XRANGE', KEYS[1], ARGV[i], ARGV[i]) > 0 then
        redis.call('XCLAIM', KEYS[1], group, consumer, 0, ARGV[i], 'JUSTID')
    end
end
