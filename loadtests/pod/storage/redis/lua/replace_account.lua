-- account, copy: JSON in which every value is a text, or null, so that no number passes a double.
local at, account = KEYS[1], ARGV[1]
local copy = cjson.decode(ARGV[2])

for _, id in ipairs(redis.call('SMEMBERS', at .. 'connections')) do
    leave_live(id)
    redis.call('UNLINK', at .. 'connection:' .. id)
end
for _, id in ipairs(redis.call('SMEMBERS', at .. 'subscribers')) do
    redis.call('UNLINK', at .. 'subscriptions:' .. id)
end
for _, id in ipairs(redis.call('SMEMBERS', at .. 'chats')) do
    redis.call('UNLINK', at .. 'chat:' .. id)
end
for _, topic in ipairs(redis.call('HKEYS', at .. 'topics')) do
    redis.call('UNLINK', at .. 'events:' .. topic)
end
for _, index in ipairs({'connections', 'subscribers', 'topics', 'chats', 'chats:open', 'chats:accepted', 'messages'}) do
    redis.call('UNLINK', at .. index)
end

-- Stores the fields that have a value.
local function store(key, names, row)
    for n, name in ipairs(names) do
        if row[n + 1] ~= cjson.null then
            redis.call('HSET', key, name, row[n + 1])
        end
    end
end

redis.call('SADD', 'accounts', account)
for _, row in ipairs(copy.connections) do
    redis.call('SADD', at .. 'connections', row[1])
    store(at .. 'connection:' .. row[1], {'role', 'name', 'resume_digest', 'opened_at', 'seen_at', 'closed_at'}, row)
    if row[7] == cjson.null then
        enter_live(account, row[1], row[6])
    end
end
for _, row in ipairs(copy.topics) do
    redis.call('HSET', at .. 'topics', row[1], row[2])
end
for _, row in ipairs(copy.subscriptions) do
    redis.call('SADD', at .. 'subscribers', row[1])
    redis.call('HSET', at .. 'subscriptions:' .. row[1], row[2], row[3])
end
for _, row in ipairs(copy.chats) do
    redis.call('SADD', at .. 'chats', row[1])
    store(at .. 'chat:' .. row[1],
        {'state', 'subject', 'offered_by', 'accepted_by', 'offered_at', 'accepted_at', 'closed_at'}, row)
    if row[2] ~= 'closed' then
        redis.call('SADD', at .. 'chats:open', row[1])
    end
    if row[5] ~= cjson.null then
        redis.call('SADD', at .. 'chats:accepted', row[1])
    end
end
for _, row in ipairs(copy.messages) do
    redis.call('HSET', at .. 'messages', row[1], row[2])
end
for _, row in ipairs(copy.events) do
    redis.call('XADD', at .. 'events:' .. row[1], row[2] .. '-0',
        'kind', row[3], 'chat', row[4], 'key', row[5], 'by', row[6], 'text', row[7], 'published_ns', row[8])
end
return {'ok'}
