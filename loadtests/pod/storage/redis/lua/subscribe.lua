-- Answers with the topic's last number.
local at = KEYS[1]
local connection, topic, limit, now = unpack(ARGV)
if not speaker(at, connection) then
    return refused('no_such_connection')
end
local subscriptions = at .. 'subscriptions:' .. connection
if redis.call('HEXISTS', subscriptions, topic) == 0 then
    if redis.call('HLEN', subscriptions) >= tonumber(limit) then
        return refused('too_many_subscriptions')
    end
    redis.call('HSET', subscriptions, topic, now)
    redis.call('SADD', at .. 'subscribers', connection)
    redis.call('HSETNX', at .. 'topics', topic, 0)
end
return {'ok', redis.call('HGET', at .. 'topics', topic)}
