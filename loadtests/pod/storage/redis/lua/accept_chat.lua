-- Answers with the speaker's name and the event's numbers in the chat and in the queue; with none of them when the
-- chat was the speaker's already; with `taken` and the winner's name when it is another agent's.
local at = KEYS[1]
local connection, chat, key, now = unpack(ARGV)
local by = speaker(at, connection)
if not by then
    return refused('no_such_connection')
end
if by.role ~= 'agent' then
    return refused('forbidden')
end
local row = redis.call('HMGET', at .. 'chat:' .. chat, 'state', 'accepted_by')
if not row[1] then
    return refused('no_such_chat')
end
if row[1] == 'closed' then
    return refused('chat_closed')
end
if row[2] == connection then
    return {'ok'}
end
if row[2] then
    return {'taken', redis.call('HGET', at .. 'connection:' .. row[2], 'name') or ''}
end
redis.call('HSET', at .. 'chat:' .. chat, 'state', 'accepted', 'accepted_by', connection, 'accepted_at', now)
redis.call('SADD', at .. 'chats:accepted', chat)
return {'ok', by.name,
    publish(at, 'chat/' .. chat, 'chat.accepted', chat, key, by.name, '', now),
    publish(at, 'queue', 'chat.accepted', chat, key, by.name, '', now)}
