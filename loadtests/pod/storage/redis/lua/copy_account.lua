-- Everything of one account: connections, topics, subscriptions, chats, messages, events.
local at = KEYS[1]
local copy = {{}, redis.call('HGETALL', at .. 'topics'), {}, {}, redis.call('HGETALL', at .. 'messages'), {}}
for _, id in ipairs(redis.call('SMEMBERS', at .. 'connections')) do
    table.insert(copy[1], {id, redis.call('HMGET', at .. 'connection:' .. id,
        'role', 'name', 'resume_digest', 'opened_at', 'seen_at', 'closed_at')})
end
for _, id in ipairs(redis.call('SMEMBERS', at .. 'subscribers')) do
    table.insert(copy[3], {id, redis.call('HGETALL', at .. 'subscriptions:' .. id)})
end
for _, id in ipairs(redis.call('SMEMBERS', at .. 'chats')) do
    table.insert(copy[4], {id, redis.call('HMGET', at .. 'chat:' .. id,
        'state', 'subject', 'offered_by', 'accepted_by', 'offered_at', 'accepted_at', 'closed_at')})
end
for _, topic in ipairs(redis.call('HKEYS', at .. 'topics')) do
    table.insert(copy[6], {topic, redis.call('XRANGE', at .. 'events:' .. topic, '-', '+')})
end
return copy
