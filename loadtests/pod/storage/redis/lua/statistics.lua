-- Of one account: subscriptions, open chats, messages, orphans.
local at = KEYS[1]
local silent_since = ARGV[1]
local subscriptions, orphans = 0, 0
for _, connection in ipairs(redis.call('SMEMBERS', at .. 'subscribers')) do
    local topics = redis.call('HLEN', at .. 'subscriptions:' .. connection)
    subscriptions = subscriptions + topics
    if lost(at, connection, silent_since) then
        orphans = orphans + topics
    end
end
return {subscriptions, redis.call('SCARD', at .. 'chats:open'), redis.call('HLEN', at .. 'messages'), orphans}
