local at = KEYS[1]
local account, connection, role, name, digest, now = unpack(ARGV)
local there = at .. 'connection:' .. connection
if redis.call('EXISTS', there) == 0 then
    redis.call('HSET', there, 'role', role, 'name', name, 'resume_digest', digest, 'opened_at', now, 'seen_at', now)
    redis.call('SADD', at .. 'connections', connection)
    redis.call('SADD', 'accounts', account)
    enter_live(account, connection, now)
end
return {'ok'}
