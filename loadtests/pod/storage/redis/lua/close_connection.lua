local at = KEYS[1]
local connection, now = unpack(ARGV)
if speaker(at, connection) then
    close(at, connection, now)
elseif redis.call('EXISTS', at .. 'connection:' .. connection) == 0 then
    return refused('no_such_connection')
end
return {'ok'}
