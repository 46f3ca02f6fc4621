-- Answers with the speaker's name and the event's number in the chat; with neither when the message was there, which
-- it may be although the chat was closed since.
local at = KEYS[1]
local connection, chat, key, text, message, now = unpack(ARGV)
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
if redis.call('HEXISTS', at .. 'messages', key) == 1 then
    return {'ok'}
end
if row[1] == 'closed' then
    return refused('chat_closed')
end
redis.call('HSET', at .. 'messages', key, message)
return {'ok', by.name, publish(at, 'chat/' .. chat, 'message.sent', chat, key, by.name, text, now)}
