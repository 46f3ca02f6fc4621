-- Answers with the speaker's name and the event's number in the queue; with neither when the chat was there.
local at = KEYS[1]
local connection, chat, key, subject, now = unpack(ARGV)
local by = speaker(at, connection)
if not by then
    return refused('no_such_connection')
end
if redis.call('SADD', at .. 'chats', chat) == 0 then
    return {'ok'}
end
redis.call('HSET', at .. 'chat:' .. chat,
    'state', 'offered', 'subject', subject, 'offered_by', connection, 'offered_at', now)
redis.call('SADD', at .. 'chats:open', chat)
redis.call('HSETNX', at .. 'topics', 'chat/' .. chat, 0)
return {'ok', by.name, publish(at, 'queue', 'chat.offered', chat, key, by.name, subject, now)}
