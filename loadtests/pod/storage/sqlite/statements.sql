-- Statements of the SQLite storage. Each runs inside BEGIN IMMEDIATE, but for the reads at the end.

-- name: speaker
SELECT id, role, name FROM connections WHERE id = :connection AND account = :account AND closed_at IS NULL;

-- name: connection
SELECT closed_at FROM connections WHERE id = :connection AND account = :account;

-- name: open_connection
INSERT INTO connections (id, account, role, name, resume_digest, opened_at, seen_at)
VALUES (:connection, :account, :role, :name, :digest, :now, :now)
ON CONFLICT DO NOTHING;

-- name: resume_connection
UPDATE connections SET seen_at = max(seen_at, :now)
WHERE id = :connection AND account = :account AND resume_digest = :digest
  AND closed_at IS NULL AND seen_at >= :silent_since
RETURNING role, name;

-- name: subscribed_topics
SELECT s.topic, t.head FROM subscriptions s JOIN topics t USING (account, topic) WHERE s.connection = :connection;

-- name: close_connection
UPDATE connections SET closed_at = :now WHERE id = :connection;

-- name: drop_subscriptions
DELETE FROM subscriptions WHERE connection = :connection;

-- name: touch_connections
UPDATE connections SET seen_at = max(seen_at, :now)
WHERE id IN (SELECT value FROM json_each(:connections)) AND closed_at IS NULL;

-- name: silent_connections
SELECT id FROM connections WHERE closed_at IS NULL AND seen_at < :silent_since ORDER BY seen_at LIMIT :limit;

-- name: subscription
SELECT t.head FROM subscriptions s JOIN topics t USING (account, topic)
WHERE s.connection = :connection AND s.topic = :topic;

-- name: count_subscriptions
SELECT count(*) FROM subscriptions WHERE connection = :connection;

-- name: ensure_topic
INSERT INTO topics (account, topic) VALUES (:account, :topic) ON CONFLICT DO UPDATE SET head = head RETURNING head;

-- name: subscribe
INSERT INTO subscriptions (connection, topic, account, subscribed_at) VALUES (:connection, :topic, :account, :now);

-- name: unsubscribe
DELETE FROM subscriptions WHERE connection = :connection AND topic = :topic;

-- name: offer_chat
INSERT INTO chats (account, id, state, subject, offered_by, offered_at)
VALUES (:account, :chat, 'offered', :subject, :connection, :now)
ON CONFLICT DO NOTHING;

-- name: chat
SELECT c.state, c.offered_by, c.accepted_by, w.name,
       EXISTS (SELECT 1 FROM messages m WHERE m.account = :account AND m.key = :key)
FROM chats c LEFT JOIN connections w ON w.id = c.accepted_by
WHERE c.account = :account AND c.id = :chat;

-- name: accept_chat
UPDATE chats SET state = 'accepted', accepted_by = :connection, accepted_at = :now
WHERE account = :account AND id = :chat;

-- name: send_message
INSERT INTO messages (account, key, chat, sender, text, sent_at)
VALUES (:account, :key, :chat, :connection, :text, :now);

-- name: close_chat
UPDATE chats SET state = 'closed', closed_at = :now WHERE account = :account AND id = :chat;

-- name: advance_topic
INSERT INTO topics (account, topic, head) VALUES (:account, :topic, 1)
ON CONFLICT DO UPDATE SET head = head + 1
RETURNING head;

-- name: add_event
INSERT INTO events (account, topic, sequence, kind, chat, key, by, text, published_at)
VALUES (:account, :topic, :sequence, :kind, :chat, :key, :by, :text, :published_ns);

-- name: events_after
SELECT account, topic, sequence, kind, chat, key, by, text, published_at FROM events
WHERE account = :account AND topic = :topic AND sequence > :sequence ORDER BY sequence LIMIT :limit;

-- name: statistics
SELECT
    (SELECT count(*) FROM connections WHERE closed_at IS NULL),
    (SELECT count(*) FROM subscriptions),
    (SELECT count(*) FROM chats WHERE state <> 'closed'),
    (SELECT count(*) FROM messages),
    (SELECT count(*) FROM subscriptions s LEFT JOIN connections c ON c.id = s.connection
     WHERE c.id IS NULL OR c.closed_at IS NOT NULL OR c.seen_at < :silent_since);

-- name: drop_orphans
DELETE FROM subscriptions WHERE (connection, topic) IN (
    SELECT s.connection, s.topic FROM subscriptions s LEFT JOIN connections c ON c.id = s.connection
    WHERE c.id IS NULL OR c.closed_at IS NOT NULL OR c.seen_at < :silent_since
    LIMIT :limit
);
