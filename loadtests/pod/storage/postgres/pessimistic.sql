-- Statements of the pessimistic strategy: what an ORM makes of select_for_update() and save().

-- The hot parent row: its holder works alone on the account until the commit.
-- name: lock_account
SELECT connections, subscriptions, queue_depth FROM accounts WHERE account = $1 FOR UPDATE;

-- name: count_account
UPDATE accounts
SET connections = connections + $2, subscriptions = subscriptions + $3, queue_depth = queue_depth + $4
WHERE account = $1;

-- name: lock_connection
SELECT closed_at FROM connections WHERE id = $1 AND account = $2 FOR UPDATE;

-- name: close_locked_connection
UPDATE connections SET closed_at = $2, version = version + 1 WHERE id = $1;

-- name: lock_silent_accounts
SELECT account FROM accounts
WHERE account IN (
    SELECT account FROM connections WHERE closed_at IS NULL AND seen_at < $1 ORDER BY seen_at LIMIT $2
)
ORDER BY account FOR UPDATE;

-- name: lock_silent_connections
SELECT id, account FROM connections
WHERE id IN (
    SELECT id FROM connections
    WHERE closed_at IS NULL AND seen_at < $1 AND account = ANY ($3) ORDER BY seen_at LIMIT $2
) AND closed_at IS NULL AND seen_at < $1
ORDER BY id FOR UPDATE;

-- The winner's name by a subquery, which is asked anew when the chat has changed while this waited for it; the row of
-- a join would be the one from before.
-- name: lock_chat
SELECT c.state, c.offered_by, c.accepted_by,
       (SELECT w.name FROM connections w WHERE w.id = c.accepted_by) AS winner,
       EXISTS (SELECT 1 FROM messages m WHERE m.account = $1 AND m.key = $3) AS sent, c.version
FROM chats c
WHERE c.account = $1 AND c.id = $2
FOR UPDATE;

-- name: accept_locked_chat
UPDATE chats SET state = 'accepted', accepted_by = $3, accepted_at = $4, version = version + 1
WHERE account = $1 AND id = $2;

-- name: close_locked_chat
UPDATE chats SET state = 'closed', closed_at = $3, version = version + 1 WHERE account = $1 AND id = $2;

-- name: lock_topic
SELECT head FROM topics WHERE account = $1 AND topic = $2 FOR UPDATE;

-- name: save_topic
UPDATE topics SET head = $3 WHERE account = $1 AND topic = $2;

-- name: recount_account
UPDATE accounts SET
    connections = (SELECT count(*) FROM connections WHERE account = $1 AND closed_at IS NULL),
    subscriptions = (SELECT count(*) FROM subscriptions WHERE account = $1),
    queue_depth = (SELECT count(*) FROM chats WHERE account = $1 AND state = 'offered')
WHERE account = $1;
