-- Answers with the connections that it closed.
local silent_since, limit, now = unpack(ARGV)
local answer = {'ok'}
-- The index knows microseconds: those of the last one are compared exactly.
for _, connection in ipairs(redis.call('ZRANGEBYSCORE', 'live:seen', '-inf', micros(silent_since), 'LIMIT', 0, limit)) do
    local at = '{' .. redis.call('HGET', 'live:account', connection) .. '}:'
    if redis.call('HGET', at .. 'connection:' .. connection, 'seen_at') < silent_since then
        close(at, connection, now)
        table.insert(answer, connection)
    end
end
return answer
