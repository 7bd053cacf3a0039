-- Says how many commands a worker may hope to append under a rate limit, and promises it so many tokens (R30).
--
-- KEYS[1]  the bucket (see bucket.lua).
-- ARGV     rate a second, burst, how many the worker wants, how many of an earlier promise it does not need after all.
-- Returns  how many it may claim routes for; and the tokens that are left and nobody was promised, as a decimal.
local rate, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local bucket, fault = filled(KEYS[1], rate, burst)
if bucket then
    take_back(bucket, tonumber(ARGV[4]))
    local free = bucket.tokens - bucket.promised - bucket.promised_before
    local granted = math.max(0, math.min(tonumber(ARGV[3]), math.floor(free)))
    bucket.promised = bucket.promised + granted
    fault = keep(KEYS[1], bucket, rate, burst)
    if not fault then
        return { granted, string.format('%.17g', free - granted) }
    end
end
return { err = fault }
