-- Statements that more than one locking strategy uses.

-- name: add_account
INSERT INTO accounts (account) VALUES ($1) ON CONFLICT DO NOTHING;

-- name: speaker
SELECT id, role, name, version FROM connections WHERE id = $1 AND account = $2 AND closed_at IS NULL;

-- name: connection
SELECT closed_at, version FROM connections WHERE id = $1 AND account = $2;

-- name: open_connection
INSERT INTO connections (id, account, role, name, resume_digest, opened_at, seen_at)
VALUES ($1, $2, $3, $4, $5, $6, $6)
ON CONFLICT DO NOTHING;

-- name: resume_connection
UPDATE connections SET seen_at = greatest(seen_at, $5)
WHERE id = $1 AND account = $2 AND resume_digest = $3 AND closed_at IS NULL AND seen_at >= $4
RETURNING role, name;

-- name: subscribed_topics
SELECT s.topic, t.head FROM subscriptions s JOIN topics t USING (account, topic) WHERE s.connection = $1;

-- Rows are locked in the order of their ids here and in reaping, so that the two cannot lock each other out.
-- name: touch_connections
UPDATE connections SET seen_at = greatest(seen_at, $2)
FROM (SELECT id FROM connections WHERE id = ANY ($1) AND closed_at IS NULL ORDER BY id FOR NO KEY UPDATE) AS live
WHERE connections.id = live.id;

-- name: silent_connections
SELECT id, version FROM connections WHERE closed_at IS NULL AND seen_at < $1 ORDER BY seen_at LIMIT $2;

-- name: subscription
SELECT t.head FROM subscriptions s JOIN topics t USING (account, topic) WHERE s.connection = $1 AND s.topic = $2;

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

-- name: drop_subscriptions
DELETE FROM subscriptions WHERE connection = $1;

-- name: offer_chat
INSERT INTO chats (account, id, state, subject, offered_by, offered_at) VALUES ($1, $2, 'offered', $3, $4, $5)
ON CONFLICT DO NOTHING;

-- name: chat
SELECT c.state, c.offered_by, c.accepted_by, w.name AS winner,
       EXISTS (SELECT 1 FROM messages m WHERE m.account = $1 AND m.key = $3) AS sent, c.version
FROM chats c LEFT JOIN connections w ON w.id = c.accepted_by
WHERE c.account = $1 AND c.id = $2;

-- name: send_message
INSERT INTO messages (account, key, chat, sender, text, sent_at) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT DO NOTHING;

-- Number and event in one statement, the transaction's last: the topic's row is held for this round trip and the
-- commit, no longer. A number without a gap has to be held until its commit by any strategy; a short counter update
-- queues for it once, where inserting the next free number fails all transactions but one and makes them start again.
-- name: publish
WITH next AS (
    INSERT INTO topics AS t (account, topic, head) VALUES ($1, $2, 1)
    ON CONFLICT (account, topic) DO UPDATE SET head = t.head + 1
    RETURNING account, topic, head
)
INSERT INTO events (account, topic, sequence, kind, chat, key, by, text, published_at)
SELECT account, topic, head, $3, $4, $5, $6, $7, $8 FROM next
RETURNING sequence;

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

-- name: orphans
SELECT s.connection, s.topic, s.account FROM subscriptions s LEFT JOIN connections c ON c.id = s.connection
WHERE c.id IS NULL OR c.closed_at IS NOT NULL OR c.seen_at < $1
ORDER BY s.connection, s.topic LIMIT $2;

-- Asks again whether it is one: its connection may have been taken up since.
-- name: drop_orphan
DELETE FROM subscriptions s WHERE s.connection = $1 AND s.topic = $2
AND NOT EXISTS (SELECT 1 FROM connections c WHERE c.id = $1 AND c.closed_at IS NULL AND c.seen_at >= $3);

-- name: settings
SELECT CASE name WHEN 'server_version' THEN 'version' ELSE name END, current_setting(name) FROM pg_settings
WHERE name IN (
    'server_version', 'fsync', 'synchronous_commit', 'full_page_writes', 'wal_level', 'default_transaction_isolation',
    'max_connections', 'shared_buffers', 'lock_timeout', 'statement_timeout', 'deadlock_timeout'
);
