-- Gives back what dead workers have fetched and not acknowledged, and drops Dramatiq's oldest dead letters.
--
-- KEYS[1]  the namespace of Dramatiq's keys.
-- ARGV     in Unix milliseconds: the instant since which a living worker was heard of, and the instant before
--          which dead letters go. Then how many messages to touch at most, and the names of queues.
-- Returns  the number of messages given back, and 1 if there may be more to do.
--
-- Dramatiq's keys, as its own script has them:
--   <namespace>:__heartbeats__             sorted set: worker -> when it was last heard of
--   <namespace>:__acks__.<worker>.<queue>  set: what a worker has fetched from a queue and not acknowledged
--   <namespace>:<queue>, .msgs             list of message ids, hash of messages; <queue>.DQ holds delayed ones
--   <namespace>:<queue>.wake               list of wake-ups for idle consumers; ours
--   <namespace>:<queue>.XQ, .XQ.msgs       sorted set of dead letters by age, hash of messages
--
-- Its own script finds a worker's sets with KEYS, which walks over every key there is: witnesses by the million. Here
-- their names are known, since every process adds its queues to a set that all share.
local namespace = KEYS[1]
local heard_since, dead_before, most = ARGV[1], ARGV[2], tonumber(ARGV[3])
local heartbeats, known = namespace .. ':__heartbeats__', namespace .. ':__queues__'
redis.call('SADD', known, unpack(ARGV, 4))
local queues = redis.call('SMEMBERS', known)
local moved = 0

-- True if nothing of the worker's is left in the queue.
local function give_back(worker, queue)
    local acks, list = namespace .. ':__acks__.' .. worker .. '.' .. queue, namespace .. ':' .. queue
    if most - moved > 0 then
        local ids = redis.call('SPOP', acks, most - moved)
        for _, id in ipairs(ids) do
            moved = moved + 1
            if redis.call('HEXISTS', list .. '.msgs', id) == 1 then
                redis.call('RPUSH', list, id)
            end
        end
        if #ids > 0 then
            redis.call('LPUSH', list .. '.wake', 1)
            redis.call('PEXPIRE', list .. '.wake', 60000)
        end
    end
    return redis.call('EXISTS', acks) == 0
end

local dead = redis.call('ZRANGEBYSCORE', heartbeats, 0, heard_since, 'LIMIT', 0, 100)
for _, worker in ipairs(dead) do
    local done = true
    for _, queue in ipairs(queues) do
        done = give_back(worker, queue) and give_back(worker, queue .. '.DQ') and done
    end
    if done then
        redis.call('ZREM', heartbeats, worker)
    end
end

local more = moved >= most or #dead == 100
for _, queue in ipairs(queues) do
    local letters = namespace .. ':' .. queue .. '.XQ'
    local old = redis.call('ZRANGEBYSCORE', letters, 0, dead_before, 'LIMIT', 0, most)
    if #old > 0 then
        redis.call('ZREM', letters, unpack(old))
        redis.call('HDEL', letters .. '.msgs', unpack(old))
        more = more or #old == most
    end
end
return { moved, more and 1 or 0 }
