-- Statements that more than one locking strategy uses. Several of them under one name travel in one round trip; the
-- answer is the last one's.
--
-- What is to be stored unless it is there is searched for first, without a lock. `INSERT IGNORE` and `ON DUPLICATE KEY
-- UPDATE` would lock the row that they find until the commit, and the first of them turns every other error into a
-- warning as well. Two that search at the same time meet in a duplicate key: the later one tries again.

-- name: add_account
INSERT INTO accounts (account) SELECT $1 FROM DUAL WHERE NOT EXISTS (SELECT 1 FROM accounts WHERE account = $1);

-- name: speaker
SELECT id, role, name, version FROM connections WHERE id = $1 AND account = $2 AND closed_at IS NULL;

-- name: connection
SELECT closed_at, version FROM connections WHERE id = $1 AND account = $2;

-- name: open_connection
INSERT INTO connections (id, account, role, name, resume_digest, opened_at, seen_at)
SELECT $1, $2, $3, $4, $5, $6, $6 FROM DUAL WHERE NOT EXISTS (SELECT 1 FROM connections WHERE id = $1);

-- name: resume_connection
UPDATE connections SET seen_at = greatest(seen_at, $5)
WHERE id = $1 AND account = $2 AND resume_digest = $3 AND closed_at IS NULL AND seen_at >= $4;
SELECT role, name FROM connections
WHERE id = $1 AND account = $2 AND resume_digest = $3 AND closed_at IS NULL AND seen_at >= $4;

-- name: subscribed_topics
SELECT s.topic, t.head FROM subscriptions s JOIN topics t USING (account, topic) WHERE s.connection = $1;

-- Rows are locked in the order in which they are given.
-- name: touch_connections
UPDATE JSON_TABLE($1, '$[*]' COLUMNS (
    id varchar(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin PATH '$'
)) AS alive STRAIGHT_JOIN connections AS c ON c.id = alive.id
SET c.seen_at = greatest(c.seen_at, $2)
WHERE c.closed_at IS NULL;

-- name: silent_connections
SELECT id, version FROM connections WHERE closed_at IS NULL AND seen_at < $1 ORDER BY seen_at LIMIT $2;

-- name: subscription
SELECT t.head FROM subscriptions s JOIN topics t USING (account, topic) WHERE s.connection = $1 AND s.topic = $2;

-- name: count_subscriptions
SELECT count(*) FROM subscriptions WHERE connection = $1;

-- name: ensure_topic
INSERT INTO topics (account, topic)
SELECT $1, $2 FROM DUAL WHERE NOT EXISTS (SELECT 1 FROM topics WHERE account = $1 AND topic = $2);

-- name: topic_head
SELECT head FROM topics WHERE account = $1 AND topic = $2;

-- name: subscribe
INSERT INTO subscriptions (connection, topic, account, subscribed_at) VALUES ($1, $2, $3, $4);

-- name: unsubscribe
DELETE FROM subscriptions WHERE connection = $1 AND topic = $2;

-- name: drop_subscriptions
DELETE FROM subscriptions WHERE connection = $1;

-- name: offer_chat
INSERT INTO chats (account, id, state, subject, offered_by, offered_at)
SELECT $1, $2, 'offered', $3, $4, $5 FROM DUAL
WHERE NOT EXISTS (SELECT 1 FROM chats WHERE account = $1 AND id = $2);

-- name: chat
SELECT c.state, c.offered_by, c.accepted_by, w.name AS winner,
       EXISTS (SELECT 1 FROM messages m WHERE m.account = $1 AND m.`key` = $3) AS sent, c.version
FROM chats c LEFT JOIN connections w ON w.id = c.accepted_by
WHERE c.account = $1 AND c.id = $2;

-- name: send_message
INSERT INTO messages (account, `key`, chat, sender, text, sent_at)
SELECT $1, $2, $3, $4, $5, $6 FROM DUAL
WHERE NOT EXISTS (SELECT 1 FROM messages WHERE account = $1 AND `key` = $2);

-- Number and event in one round trip, the transaction's last: the topic's row is held for it and the commit, no longer.
-- name: publish
INSERT INTO topics (account, topic, head) VALUES ($1, $2, 1) ON DUPLICATE KEY UPDATE head = head + 1;
INSERT INTO events (account, topic, sequence, kind, chat, `key`, `by`, text, published_at)
SELECT account, topic, head, $3, $4, $5, $6, $7, $8 FROM topics WHERE account = $1 AND topic = $2
RETURNING sequence;

-- name: add_event
INSERT INTO events (account, topic, sequence, kind, chat, `key`, `by`, text, published_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9);

-- name: events_after
SELECT account, topic, sequence, kind, chat, `key`, `by`, text, published_at FROM events
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
DELETE FROM subscriptions WHERE connection = $1 AND topic = $2
AND NOT EXISTS (SELECT 1 FROM connections c WHERE c.id = $1 AND c.closed_at IS NULL AND c.seen_at >= $3);

-- name: settings
SELECT lower(variable_name), variable_value FROM information_schema.session_variables
WHERE variable_name IN (
    'version', 'innodb_flush_log_at_trx_commit', 'innodb_doublewrite', 'sync_binlog', 'log_bin', 'tx_isolation',
    'max_connections', 'innodb_buffer_pool_size', 'innodb_lock_wait_timeout', 'max_statement_time'
);
