-- Says which commands stand on their stream though their witnesses are gone, and gives each its witness back (R12a).
--
-- KEYS[1]  the stream, KEYS[1 + n] the witness of the nth delivery: all in one slot.
-- ARGV     window in ms, then for each delivery the id of its entry and the delivery id.
-- Returns  1 for each that stands, else 0.
--
-- Redis removes a witness by itself where it may evict keys, or where its clock is set forward. Entry ids come again once
-- Redis was emptied: so a field of the entry must be the delivery id, as in the commands of both channels.
local function stands(entry_id, delivery_id)
    local found = redis.pcall('XRANGE', KEYS[1], entry_id, entry_id)
    if found.err or #found == 0 then
        return false
    end
    for i = 2, #found[1][2], 2 do
        if found[1][2][i] == delivery_id then
            return true
        end
    end
    return false
end

local reply = {}
for n = 2, #KEYS do
    local entry_id = ARGV[2 * n - 2]
    if stands(entry_id, ARGV[2 * n - 1]) then
        -- Best effort: without it the next audit looks here again.
        redis.pcall('SET', KEYS[n], entry_id, 'PX', ARGV[1], 'NX')
        reply[n - 1] = 1
    else
        reply[n - 1] = 0
    end
end
return reply
