-- Statements of the SQLite storage, with the values and columns of the other engines' statements of these names. Each
-- runs inside BEGIN IMMEDIATE, but for the reads at the end.

-- name: speaker
SELECT id, role, name FROM connections WHERE id = $1 AND account = $2 AND closed_at IS NULL;

-- name: connection
SELECT closed_at FROM connections WHERE id = $1 AND account = $2;

-- name: open_connection
INSERT INTO connections (id, account, role, name, resume_digest, opened_at, seen_at)
VALUES ($1, $2, $3, $4, $5, $6, $6)
ON CONFLICT DO NOTHING;

-- name: resume_connection
UPDATE connections SET seen_at = max(seen_at, $5)
WHERE id = $1 AND account = $2 AND resume_digest = $3
  AND closed_at IS NULL AND seen_at >= $4
RETURNING role, name;

-- name: subscribed_topics
SELECT s.topic, t.head FROM subscriptions s JOIN topics t USING (account, topic) WHERE s.connection = $1;

-- name: close_connection
UPDATE connections SET closed_at = $2 WHERE id = $1;

-- name: drop_subscriptions
DELETE FROM subscriptions WHERE connection = $1;

-- name: touch_connections
UPDATE connections SET seen_at = max(seen_at, $2)
WHERE id IN (SELECT value FROM json_each($1)) AND closed_at IS NULL;

-- name: silent_connections
SELECT id FROM connections WHERE closed_at IS NULL AND seen_at < $1 ORDER BY seen_at LIMIT $2;

-- name: subscription
SELECT t.head FROM subscriptions s JOIN topics t USING (account, topic)
WHERE s.connection = $1 AND s.topic = $2;

-- name: count_subscriptions
SELECT count(*) FROM subscriptions WHERE connection = $1;

-- name: ensure_topic
INSERT INTO topics (account, topic) VALUES ($1, $2) ON CONFLICT DO NOTHING;

-- name: topic_head
SELECT head FROM topics WHERE account = $1 AND topic = $2;

-- name: subscribe
INSERT INTO subscriptions (connection, topic, account, subscribed_at) VALUES ($1, $2, $3, $4);

-- name: unsubscribe
DELETE FROM subscriptions WHERE connection = $1 AND topic = $2;

-- name: offer_chat
INSERT INTO chats (account, id, state, subject, offered_by, offered_at)
VALUES ($1, $2, 'offered', $3, $4, $5)
ON CONFLICT DO NOTHING;

-- name: chat
SELECT c.state, c.offered_by, c.accepted_by, w.name,
       EXISTS (SELECT 1 FROM messages m WHERE m.account = $1 AND m.key = $3)
FROM chats c LEFT JOIN connections w ON w.id = c.accepted_by
WHERE c.account = $1 AND c.id = $2;

-- name: accept_chat
UPDATE chats SET state = 'accepted', accepted_by = $3, accepted_at = $4
WHERE account = $1 AND id = $2;

-- name: send_message
INSERT INTO messages (account, key, chat, sender, text, sent_at)
VALUES ($1, $2, $3, $4, $5, $6);

-- name: close_chat
UPDATE chats SET state = 'closed', closed_at = $3 WHERE account = $1 AND id = $2;

-- name: advance_topic
INSERT INTO topics (account, topic, head) VALUES ($1, $2, 1)
ON CONFLICT DO UPDATE SET head = head + 1
RETURNING head;

-- name: add_event
INSERT INTO events (account, topic, sequence, kind, chat, key, by, text, published_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9);

-- name: events_after
SELECT account, topic, sequence, kind, chat, key, by, text, published_at FROM events
WHERE account = $1 AND topic = $2 AND sequence > $3 ORDER BY sequence LIMIT $4;

-- name: statistics
SELECT
    (SELECT count(*) FROM connections WHERE closed_at IS NULL),
    (SELECT count(*) FROM subscriptions),
    (SELECT count(*) FROM chats WHERE state <> 'closed'),
    (SELECT count(*) FROM messages),
    (SELECT count(*) FROM subscriptions s LEFT JOIN connections c ON c.id = s.connection
     WHERE c.id IS NULL OR c.closed_at IS NOT NULL OR c.seen_at < $1);

-- name: drop_orphans
DELETE FROM subscriptions WHERE (connection, topic) IN (
    SELECT s.connection, s.topic FROM subscriptions s LEFT JOIN connections c ON c.id = s.connection
    WHERE c.id IS NULL OR c.closed_at IS NOT NULL OR c.seen_at < $1
    LIMIT $2
);
