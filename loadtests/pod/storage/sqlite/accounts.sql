-- An account whole: read and replaced, in BEGIN and in BEGIN IMMEDIATE. Columns are in the order of the contract's
-- rows. What other rows refer to is put in the place of what was there, and only then trimmed to what is wanted: to
-- remove a row that others may refer to requires a search for those that do.

-- name: copy_connections
SELECT id, role, name, resume_digest, opened_at, seen_at, closed_at FROM connections WHERE account = $1;

-- name: copy_topics
SELECT topic, head FROM topics WHERE account = $1;

-- name: copy_subscriptions
SELECT connection, topic, subscribed_at FROM subscriptions WHERE account = $1;

-- name: copy_chats
SELECT id, state, subject, offered_by, accepted_by, offered_at, accepted_at, closed_at FROM chats WHERE account = $1;

-- name: copy_messages
SELECT key, chat, sender, text, sent_at FROM messages WHERE account = $1;

-- name: copy_events
SELECT account, topic, sequence, kind, chat, key, by, text, published_at FROM events WHERE account = $1;

-- name: clear_events
DELETE FROM events WHERE account = $1;

-- name: clear_messages
DELETE FROM messages WHERE account = $1;

-- name: clear_subscriptions
DELETE FROM subscriptions WHERE account = $1;

-- name: trim_chats
DELETE FROM chats WHERE account = $1 AND id NOT IN (SELECT value FROM json_each($2));

-- name: trim_topics
DELETE FROM topics WHERE account = $1 AND topic NOT IN (SELECT value FROM json_each($2));

-- name: trim_connections
DELETE FROM connections WHERE account = $1 AND id NOT IN (SELECT value FROM json_each($2));

-- name: put_connection
INSERT INTO connections (account, id, role, name, resume_digest, opened_at, seen_at, closed_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT (id) DO UPDATE SET
    role = excluded.role, name = excluded.name, resume_digest = excluded.resume_digest,
    opened_at = excluded.opened_at, seen_at = excluded.seen_at, closed_at = excluded.closed_at;

-- name: put_topic
INSERT INTO topics (account, topic, head)
VALUES ($1, $2, $3)
ON CONFLICT (account, topic) DO UPDATE SET
    head = excluded.head;

-- name: put_subscription
INSERT INTO subscriptions (account, connection, topic, subscribed_at)
VALUES ($1, $2, $3, $4);

-- name: put_chat
INSERT INTO chats (account, id, state, subject, offered_by, accepted_by, offered_at, accepted_at, closed_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT (account, id) DO UPDATE SET
    state = excluded.state, subject = excluded.subject, offered_by = excluded.offered_by,
    accepted_by = excluded.accepted_by, offered_at = excluded.offered_at, accepted_at = excluded.accepted_at,
    closed_at = excluded.closed_at;

-- name: put_message
INSERT INTO messages (account, key, chat, sender, text, sent_at)
VALUES ($1, $2, $3, $4, $5, $6);
