-- Acknowledges entries that are pending with this consumer.
--
-- KEYS[1]  the stream.
-- ARGV     the group, the consumer, the ids in their order; first the word XACK, for whoever looks at what goes over the
--          wire.
-- Returns  the number acknowledged.
--
-- Entry ids come again once Redis was emptied, and XACK knows nothing else: it would take another entry of the same id
-- from the consumer that has just read it. And an entry that another consumer took over is that one's to acknowledge.
local group, consumer = ARGV[2], ARGV[3]
local mine = {}
for _, entry in ipairs(redis.call('XPENDING', KEYS[1], group, ARGV[4], ARGV[#ARGV], 10000, consumer)) do
    mine[entry[1]] = true
end
local done, ids = 0, {}
for i = 4, #ARGV do
    if mine[ARGV[i]] then
        ids[#ids + 1] = ARGV[i]
    end
    -- Lua hands over only so many arguments at once.
    if #ids == 1000 or (i == #ARGV and #ids > 0) then
        done = done + redis.call('XACK', KEYS[1], group, unpack(ids))
        ids = {}
    end
end
return done
