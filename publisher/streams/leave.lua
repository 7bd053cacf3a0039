-- Removes a consumer that has nothing pending.
--
-- KEYS[1]  the stream.
-- ARGV     the group, the consumer.
--
-- In one step: removing a consumer throws its pending entries away, and a read of its own that it had given up
-- may arrive at any moment.
if #redis.call('XPENDING', KEYS[1], ARGV[1], '-', '+', 1, ARGV[2]) == 0 then
    redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], ARGV[2])
end
