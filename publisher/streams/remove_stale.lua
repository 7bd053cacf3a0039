-- Removes consumers that left nothing pending and have not been seen for long.
--
-- KEYS[1]  the stream.
-- ARGV     the group, the consumer to spare, milliseconds.
-- Returns  the number removed.
--
-- In one step: removing a consumer throws its pending entries away, and it may read one at any moment.
local group, spared, least = ARGV[1], ARGV[2], tonumber(ARGV[3])
local removed = 0
for _, flat in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], group)) do
    local consumer = {}
    for i = 1, #flat, 2 do
        consumer[flat[i]] = flat[i + 1]
    end
    if consumer.name ~= spared and consumer.pending == 0 and consumer.idle >= least then
        redis.call('XGROUP', 'DELCONSUMER', KEYS[1], group, consumer.name)
        removed = removed + 1
    end
end
return removed
