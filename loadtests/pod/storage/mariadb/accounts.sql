-- An account whole: read and replaced. Columns are in the order of the contract's rows. What other rows refer to is
-- put in the place of what was there, and only then trimmed to what is wanted: to remove a row that others may refer
-- to requires a search for those that do.

-- name: copy_connections
SELECT id, role, name, resume_digest, opened_at, seen_at, closed_at FROM connections WHERE account = $1;

-- name: copy_topics
SELECT topic, head FROM topics WHERE account = $1;

-- name: copy_subscriptions
SELECT connection, topic, subscribed_at FROM subscriptions WHERE account = $1;

-- name: copy_chats
SELECT id, state, subject, offered_by, accepted_by, offered_at, accepted_at, closed_at FROM chats WHERE account = $1;

-- name: copy_messages
SELECT `key`, chat, sender, text, sent_at FROM messages WHERE account = $1;

-- name: copy_events
SELECT account, topic, sequence, kind, chat, `key`, `by`, text, published_at FROM events WHERE account = $1;

-- A transaction that numbers an event locks its topic's row until the commit: with all of them locked, no events come in
-- between. In the order in which an accept takes them, the chat's topic before the queue's.
-- name: hold_topics
SELECT topic FROM topics WHERE account = $1 ORDER BY topic FOR UPDATE;

-- name: clear_events
DELETE FROM events WHERE account = $1;

-- name: clear_messages
DELETE FROM messages WHERE account = $1;

-- name: clear_subscriptions
DELETE FROM subscriptions WHERE account = $1;

-- name: trim_chats
DELETE FROM chats WHERE account = $1 AND id NOT IN (
    SELECT kept.id FROM JSON_TABLE($2, '$[*]' COLUMNS (
        id varchar(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin PATH '$'
    )) AS kept
);

-- name: trim_topics
DELETE FROM topics WHERE account = $1 AND topic NOT IN (
    SELECT kept.id FROM JSON_TABLE($2, '$[*]' COLUMNS (
        id varchar(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin PATH '$'
    )) AS kept
);

-- name: trim_connections
DELETE FROM connections WHERE account = $1 AND id NOT IN (
    SELECT kept.id FROM JSON_TABLE($2, '$[*]' COLUMNS (
        id varchar(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin PATH '$'
    )) AS kept
);

-- name: put_connection
INSERT INTO connections (account, id, role, name, resume_digest, opened_at, seen_at, closed_at, version)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON DUPLICATE KEY UPDATE
    role = VALUE(role), name = VALUE(name), resume_digest = VALUE(resume_digest), opened_at = VALUE(opened_at),
    seen_at = VALUE(seen_at), closed_at = VALUE(closed_at), version = VALUE(version);

-- name: put_topic
INSERT INTO topics (account, topic, head)
VALUES ($1, $2, $3)
ON DUPLICATE KEY UPDATE
    head = VALUE(head);

-- name: put_subscription
INSERT INTO subscriptions (account, connection, topic, subscribed_at)
VALUES ($1, $2, $3, $4);

-- name: put_chat
INSERT INTO chats (account, id, state, subject, offered_by, accepted_by, offered_at, accepted_at, closed_at, version)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
ON DUPLICATE KEY UPDATE
    state = VALUE(state), subject = VALUE(subject), offered_by = VALUE(offered_by), accepted_by = VALUE(accepted_by),
    offered_at = VALUE(offered_at), accepted_at = VALUE(accepted_at), closed_at = VALUE(closed_at),
    version = VALUE(version);

-- name: put_message
INSERT INTO messages (account, `key`, chat, sender, text, sent_at)
VALUES ($1, $2, $3, $4, $5, $6);
