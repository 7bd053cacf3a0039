-- Writes a heartbeat with the server's time: the clocks of other machines may differ.
--
-- KEYS[1]  the hash of all processes.
-- ARGV     the process's id, its description as JSON, how long the hash is kept in milliseconds.
local now = redis.call('TIME')
local milliseconds = string.format('%.0f', now[1] * 1000 + math.floor(now[2] / 1000))
redis.call('HSET', KEYS[1], ARGV[1], milliseconds .. ' ' .. ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
