-- Answers with role, name, then topics and the number that each has reached.
local at = KEYS[1]
local connection, digest, silent_since, now = unpack(ARGV)
local there = at .. 'connection:' .. connection
local row = redis.call('HMGET', there, 'role', 'name', 'resume_digest', 'seen_at', 'closed_at')
if not row[1] or row[3] ~= digest or row[4] < silent_since or row[5] then
    return refused('no_such_connection')
end
if row[4] < now then
    redis.call('HSET', there, 'seen_at', now)
    redis.call('ZADD', 'live:seen', micros(now), connection)
end
local answer = {'ok', row[1], row[2]}
for _, topic in ipairs(redis.call('HKEYS', at .. 'subscriptions:' .. connection)) do
    table.insert(answer, topic)
    table.insert(answer, redis.call('HGET', at .. 'topics', topic))
end
return answer
