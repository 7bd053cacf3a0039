-- Writes a heartbeat with the server's time: the clocks of other machines may differ.
--
-- KEYS[1]  the hash of all processes.
-- ARGV     the process's id, its description as JSON, 1 to renew the hash's TTL, that TTL in milliseconds. A hash
--          that this process was not in gets its TTL all the same.
local now = redis.call('TIME')
local milliseconds = string.format('%.0f', now[1] * 1000 + math.floor(now[2] / 1000))
local is_new = redis.call('HSET', KEYS[1], ARGV[1], milliseconds .. ' ' .. ARGV[2]) == 1
if is_new or ARGV[3] == '1' then
    redis.call('PEXPIRE', KEYS[1], ARGV[4])
end
