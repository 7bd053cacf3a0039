-- Puts messages on Dramatiq's queues as its own script does, and wakes a consumer for each, all in one step.
--
-- KEYS[1]  the namespace, which stands for all keys, as in Dramatiq's script: a cluster of one shard has them all.
-- ARGV     the most wake-ups that a list holds, milliseconds to keep it; then of each message the queue's key, the key
--          of its wake list, the message's id, its text, and 1 if it goes before all others.
-- Returns  for each message how many wait in its queue then.
local waiting = {}
for i = 3, #ARGV, 5 do
    local queue, wake = ARGV[i], ARGV[i + 1]
    redis.call('HSET', queue .. '.msgs', ARGV[i + 2], ARGV[i + 3])
    local push = ARGV[i + 4] == '1' and 'LPUSH' or 'RPUSH'
    waiting[#waiting + 1] = redis.call(push, queue, ARGV[i + 2])
    redis.call('LPUSH', wake, 1)
    redis.call('LTRIM', wake, 0, ARGV[1] - 1)
    redis.call('PEXPIRE', wake, ARGV[2])
end
return waiting
