-- before(a, b): whether entry id a is lower than entry id b. Put in front of the scripts that compare ids (scripts.py).
--
-- Both parts of an id have 64 bits, more than a Lua number holds: they are compared as decimal numbers without leading
-- zeros.
local function less(a, b)
    if #a ~= #b then
        return #a < #b
    end
    return a < b
end
local function before(a, b)
    local a_time, a_place = a:match('^(%d+)-(%d+)$')
    local b_time, b_place = b:match('^(%d+)-(%d+)$')
    if a_time ~= b_time then
        return less(a_time, b_time)
    end
    return less(a_place, b_place)
end
