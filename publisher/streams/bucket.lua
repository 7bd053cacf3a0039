-- The token bucket of a channel's rate limit (R30): a hash, filled by this server's clock whenever it is read.
--
-- tokens           how many there are at the instant `at`, fractions too
-- at               microseconds
-- promised         how many of them workers may hope for: they claim routes for those at this moment
-- promised_before  the same, promised in the period before this one
-- promised_until   microseconds, the end of this period
--
-- A promise that is neither redeemed nor given up, since its worker died, ends with the period after its own: at the
-- latest after twice PROMISED_FOR, whatever else is promised meanwhile. So it holds few tokens back.
-- A bucket begins empty: one that was lost, or that nobody has used for long, lets nothing through a second time. A
-- clock that went back adds nothing, and the bucket goes on from there. So the stream never gets more than rate × time +
-- burst in any window.
-- Numbers are written by string.format: Lua's own conversion keeps 14 digits, and an instant has 16.
local PROMISED_FOR = 500000

-- The bucket, filled up to now. If it cannot be read, nil and the error.
local function filled(key, rate, burst)
    local time = redis.pcall('TIME')
    if time.err then
        return nil, time.err
    end
    local stored = redis.pcall('HMGET', key, 'tokens', 'at', 'promised', 'promised_until', 'promised_before')
    if stored.err then
        return nil, stored.err
    end
    local now = time[1] * 1000000 + time[2]
    local tokens, at = tonumber(stored[1]) or 0, tonumber(stored[2]) or now
    local gained = math.max(0, now - at) / 1000000 * rate
    local promised, ends, before = tonumber(stored[3]) or 0, tonumber(stored[4]) or 0, tonumber(stored[5]) or 0
    if ends <= now - PROMISED_FOR or ends > now + PROMISED_FOR then
        promised, ends, before = 0, now + PROMISED_FOR, 0
    elseif ends <= now then
        promised, ends, before = 0, ends + PROMISED_FOR, promised
    end
    return {
        tokens = math.min(burst, tokens + gained),
        now = now,
        promised = promised,
        promised_before = before,
        promised_until = ends,
    }
end

-- Takes promises back, the newest first: an old one that nobody redeems is not to live on as a new one.
local function take_back(bucket, count)
    local newest = math.min(bucket.promised, count)
    bucket.promised = bucket.promised - newest
    bucket.promised_before = math.max(0, bucket.promised_before - (count - newest))
end

-- Writes the bucket. It stays until it is full, and an hour longer. Returns the error if it could not be written.
local function keep(key, bucket, rate, burst)
    local written = redis.pcall('HSET', key, 'tokens', string.format('%.17g', bucket.tokens),
        'at', string.format('%.0f', bucket.now), 'promised', string.format('%.0f', bucket.promised),
        'promised_before', string.format('%.0f', bucket.promised_before),
        'promised_until', string.format('%.0f', bucket.promised_until))
    if type(written) == 'table' then
        return written.err
    end
    redis.pcall('PEXPIRE', key, string.format('%.0f', (burst / rate + 3600) * 1000))
end

