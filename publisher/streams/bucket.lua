-- The token bucket of a channel's rate limit (R30): a hash, filled by this server's clock whenever it is read.
--
-- tokens          how many there are at the instant `at`, fractions too
-- at              microseconds
-- promised        how many of them workers may hope for: they claim routes for those at this moment
-- promised_until  microseconds; a worker that dies redeems no promise
--
-- A bucket begins empty: one that was lost, or that nobody has used for long, lets nothing through a second time. A
-- clock that went back adds nothing, and the bucket goes on from there. So the stream never gets more than rate × time +
-- burst in any window.
-- Numbers are written by string.format: Lua's own conversion keeps 14 digits, and an instant has 16.
local PROMISED_FOR = 2000000

-- The bucket, filled up to now. If it cannot be read, nil and the error.
local function filled(key, rate, burst)
    local time = redis.pcall('TIME')
    if time.err then
        return nil, time.err
    end
    local stored = redis.pcall('HMGET', key, 'tokens', 'at', 'promised', 'promised_until')
    if stored.err then
        return nil, stored.err
    end
    local now = time[1] * 1000000 + time[2]
    local tokens, at = tonumber(stored[1]) or 0, tonumber(stored[2]) or now
    local gained = math.max(0, now - at) / 1000000 * rate
    local left = (tonumber(stored[4]) or 0) - now
    return {
        tokens = math.min(burst, tokens + gained),
        now = now,
        promised = left > 0 and left <= PROMISED_FOR and tonumber(stored[3]) or 0,
        promised_until = now + math.min(math.max(left, 0), PROMISED_FOR),
    }
end

-- Writes the bucket. It stays until it is full, and an hour longer. Returns the error if it could not be written.
local function keep(key, bucket, rate, burst)
    local written = redis.pcall('HSET', key, 'tokens', string.format('%.17g', bucket.tokens),
        'at', string.format('%.0f', bucket.now), 'promised', string.format('%.0f', bucket.promised),
        'promised_until', string.format('%.0f', bucket.promised_until))
    if type(written) == 'table' then
        return written.err
    end
    redis.pcall('PEXPIRE', key, string.format('%.0f', (burst / rate + 3600) * 1000))
end

