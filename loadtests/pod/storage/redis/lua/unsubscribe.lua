local at = KEYS[1]
local connection, topic = unpack(ARGV)
if not speaker(at, connection) then
    return refused('no_such_connection')
end
if redis.call('HDEL', at .. 'subscriptions:' .. connection, topic) == 0 then
    return refused('not_subscribed')
end
if redis.call('EXISTS', at .. 'subscriptions:' .. connection) == 0 then
    redis.call('SREM', at .. 'subscribers', connection)
end
return {'ok'}
