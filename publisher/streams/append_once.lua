-- Appends each command at most once per delivery within the window (R12), a whole batch in one step.
--
-- KEYS[1]  the stream, KEYS[1 + n] the witness of the nth command, in the same slot.
-- ARGV     window in ms, max length (0: never trimmed), then for each command: number of names and values,
--          names and values.
-- Returns  for each command two strings: "appended" or "known" and the entry id, or the error after "refused" by the
--          stream, or after "witness" if that is the key at fault.
--
-- The order is GET, XADD, SET: a script is not rolled back, and a witness set first would lose its command if
-- XADD then failed. A witness that is found is kept for another window: as long as anyone asks for a delivery,
-- it stays known, so that the loss audit (R12a) never takes an old one for a lost one.
local window, maxlen, position = ARGV[1], tonumber(ARGV[2]), 3
local reply = {}
for n = 2, #KEYS do
    local count = tonumber(ARGV[position])
    local entry = redis.pcall('GET', KEYS[n])
    if type(entry) == 'table' then
        reply[#reply + 1], reply[#reply + 2] = 'witness', entry.err
    elseif entry then
        redis.pcall('PEXPIRE', KEYS[n], window)
        reply[#reply + 1], reply[#reply + 2] = 'known', entry
    else
        local command = { 'XADD', KEYS[1] }
        if maxlen > 0 then
            command[3], command[4], command[5] = 'MAXLEN', '~', maxlen
        end
        command[#command + 1] = '*'
        for i = position + 1, position + count do
            command[#command + 1] = ARGV[i]
        end
        -- unpack raises by itself for more fields than Lua's stack holds: the fault of this command alone.
        local ran, added = pcall(function() return redis.pcall(unpack(command)) end)
        if type(added) == 'table' then
            reply[#reply + 1], reply[#reply + 2] = 'refused', added.err
        elseif not ran then
            reply[#reply + 1], reply[#reply + 2] = 'refused', tostring(added)
        else
            redis.pcall('SET', KEYS[n], added, 'PX', window)
            reply[#reply + 1], reply[#reply + 2] = 'appended', added
        end
    end
    position = position + count + 1
end
return reply
