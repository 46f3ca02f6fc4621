-- Of one account. Answers with how many subscriptions it removed.
local at = KEYS[1]
local silent_since, limit = ARGV[1], tonumber(ARGV[2])
local swept = 0
for _, connection in ipairs(redis.call('SMEMBERS', at .. 'subscribers')) do
    if swept < limit and lost(at, connection, silent_since) then
        local subscriptions = at .. 'subscriptions:' .. connection
        for _, topic in ipairs(redis.call('HKEYS', subscriptions)) do
            if swept < limit then
                swept = swept + redis.call('HDEL', subscriptions, topic)
            end
        end
        if redis.call('EXISTS', subscriptions) == 0 then
            redis.call('SREM', at .. 'subscribers', connection)
        end
    end
end
return {'ok', swept}
