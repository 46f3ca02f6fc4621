-- Answers with the speaker's name and the event's numbers in the chat and in the queue; with none of them when the
-- chat was closed already.
local at = KEYS[1]
local connection, chat, key, now = unpack(ARGV)
local by = speaker(at, connection)
if not by then
    return refused('no_such_connection')
end
local row = redis.call('HMGET', at .. 'chat:' .. chat, 'state', 'offered_by')
if not row[1] then
    return refused('no_such_chat')
end
if by.role ~= 'agent' and row[2] ~= connection then
    return refused('forbidden')
end
if row[1] == 'closed' then
    return {'ok'}
end
redis.call('HSET', at .. 'chat:' .. chat, 'state', 'closed', 'closed_at', now)
redis.call('SREM', at .. 'chats:open', chat)
return {'ok', by.name,
    publish(at, 'chat/' .. chat, 'chat.closed', chat, key, by.name, '', now),
    publish(at, 'queue', 'chat.closed', chat, key, by.name, '', now)}
