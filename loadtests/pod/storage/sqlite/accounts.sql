-- An account whole: read and replaced, in BEGIN and in BEGIN IMMEDIATE. Columns are in the order of the contract's
-- rows. What other rows refer to is put in the place of what was there, and only then trimmed to what is wanted: to
-- remove a row that others may refer to requires a search for those that do.

-- name: copy_connections
SELECT id, role, name, resume_digest, opened_at, seen_at, closed_at FROM connections WHERE account = :account;

-- name: copy_topics
SELECT topic, head FROM topics WHERE account = :account;

-- name: copy_subscriptions
SELECT connection, topic, subscribed_at FROM subscriptions WHERE account = :account;

-- name: copy_chats
SELECT id, state, subject, offered_by, accepted_by, offered_at, accepted_at, closed_at FROM chats WHERE account = :account;

-- name: copy_messages
SELECT key, chat, sender, text, sent_at FROM messages WHERE account = :account;

-- name: copy_events
SELECT account, topic, sequence, kind, chat, key, by, text, published_at FROM events WHERE account = :account;

-- name: clear_events
DELETE FROM events WHERE account = :account;

-- name: clear_messages
DELETE FROM messages WHERE account = :account;

-- name: clear_subscriptions
DELETE FROM subscriptions WHERE account = :account;

-- name: trim_chats
DELETE FROM chats WHERE account = :account AND id NOT IN (SELECT value FROM json_each(:kept));

-- name: trim_topics
DELETE FROM topics WHERE account = :account AND topic NOT IN (SELECT value FROM json_each(:kept));

-- name: trim_connections
DELETE FROM connections WHERE account = :account AND id NOT IN (SELECT value FROM json_each(:kept));

-- name: put_connection
INSERT INTO connections (account, id, role, name, resume_digest, opened_at, seen_at, closed_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE SET
    role = excluded.role, name = excluded.name, resume_digest = excluded.resume_digest,
    opened_at = excluded.opened_at, seen_at = excluded.seen_at, closed_at = excluded.closed_at;

-- name: put_topic
INSERT INTO topics (account, topic, head)
VALUES (?, ?, ?)
ON CONFLICT (account, topic) DO UPDATE SET
    head = excluded.head;

-- name: put_subscription
INSERT INTO subscriptions (account, connection, topic, subscribed_at)
VALUES (?, ?, ?, ?);

-- name: put_chat
INSERT INTO chats (account, id, state, subject, offered_by, accepted_by, offered_at, accepted_at, closed_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (account, id) DO UPDATE SET
    state = excluded.state, subject = excluded.subject, offered_by = excluded.offered_by,
    accepted_by = excluded.accepted_by, offered_at = excluded.offered_at, accepted_at = excluded.accepted_at,
    closed_at = excluded.closed_at;

-- name: put_message
INSERT INTO messages (account, key, chat, sender, text, sent_at)
VALUES (?, ?, ?, ?, ?, ?);

-- name: put_event
INSERT INTO events (account, topic, sequence, kind, chat, key, by, text, published_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?);
