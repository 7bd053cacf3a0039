-- Counts a page of a stream's entries, so that none of them goes over the wire.
--
-- KEYS[1]  the stream.
-- ARGV     the id behind which to begin, the last id (with a bracket before it: up to that id), the most to count.
-- Returns  how many there are, and the id of the last one: where the next page begins.
local entries = redis.call('XRANGE', KEYS[1], '(' .. ARGV[1], ARGV[2], 'COUNT', ARGV[3])
return { #entries, #entries > 0 and entries[#entries][1] or ARGV[1] }
