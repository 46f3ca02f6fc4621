-- now, then the connections; those that are not live are passed over.
local now = ARGV[1]
for n = 2, #ARGV do
    local connection = ARGV[n]
    local account = redis.call('HGET', 'live:account', connection)
    if account then
        local there = '{' .. account .. '}:connection:' .. connection
        if redis.call('HGET', there, 'seen_at') < now then
            redis.call('HSET', there, 'seen_at', now)
            redis.call('ZADD', 'live:seen', micros(now), connection)
        end
    end
end
return {'ok'}
