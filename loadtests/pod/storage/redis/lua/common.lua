-- In front of every script. KEYS[1] is the prefix of the account's keys, where the script is about one account.

local function refused(code)
    return {'refused', code}
end

-- Role and name of a connection that is live; nil when it is not.
local function speaker(at, connection)
    local row = redis.call('HMGET', at .. 'connection:' .. connection, 'role', 'name', 'closed_at')
    if row[1] and not row[3] then
        return {role = row[1], name = row[2]}
    end
end

-- The score of a time: its microseconds.
local function micros(ns)
    return string.sub(ns, 1, -4)
end

local function enter_live(account, connection, seen_at)
    redis.call('ZADD', 'live:seen', micros(seen_at), connection)
    redis.call('HSET', 'live:account', connection, account)
end

local function leave_live(connection)
    redis.call('ZREM', 'live:seen', connection)
    redis.call('HDEL', 'live:account', connection)
end

-- A connection goes with its subscriptions.
local function close(at, connection, now)
    redis.call('HSET', at .. 'connection:' .. connection, 'closed_at', now)
    redis.call('DEL', at .. 'subscriptions:' .. connection)
    redis.call('SREM', at .. 'subscribers', connection)
    leave_live(connection)
end

-- Whether no client receives the subscriptions of this connection: it is closed, missing or silent.
local function lost(at, connection, silent_since)
    local row = redis.call('HMGET', at .. 'connection:' .. connection, 'closed_at', 'seen_at')
    return row[1] or not row[2] or row[2] < silent_since
end

-- Gives the event the topic's next number, stores it, returns the number.
local function publish(at, topic, kind, chat, key, by, text, now)
    local number = redis.call('HINCRBY', at .. 'topics', topic, 1)
    redis.call('XADD', at .. 'events:' .. topic, number .. '-0',
        'kind', kind, 'chat', chat, 'key', key, 'by', by, 'text', text, 'published_ns', now)
    return number
end
