-- Statements of the optimistic strategy: read without locks, write only where what was read still holds.

-- name: connection
SELECT closed_at, version FROM connections WHERE id = $1 AND account = $2;

-- name: claim_connection
UPDATE connections SET version = version + 1 WHERE id = $1 AND version = $2 AND closed_at IS NULL;

-- name: close_connection
UPDATE connections SET closed_at = $3, version = version + 1 WHERE id = $1 AND version = $2 AND closed_at IS NULL;

-- name: silent_connections
SELECT id, version FROM connections WHERE closed_at IS NULL AND seen_at < $1 ORDER BY seen_at LIMIT $2;

-- name: reap_connection
UPDATE connections SET closed_at = $3, version = version + 1
WHERE id = $1 AND version = $2 AND closed_at IS NULL AND seen_at < $4;

-- name: chat
SELECT c.state, c.offered_by, c.accepted_by, w.name AS winner,
       EXISTS (SELECT 1 FROM messages m WHERE m.account = $1 AND m.key = $3) AS sent, c.version
FROM chats c LEFT JOIN connections w ON w.id = c.accepted_by
WHERE c.account = $1 AND c.id = $2;

-- name: accept_chat
UPDATE chats SET state = 'accepted', accepted_by = $4, accepted_at = $5, version = version + 1
WHERE account = $1 AND id = $2 AND version = $3 AND state = 'offered';

-- name: claim_chat
UPDATE chats SET version = version + 1 WHERE account = $1 AND id = $2 AND version = $3 AND state <> 'closed';

-- name: close_chat
UPDATE chats SET state = 'closed', closed_at = $4, version = version + 1
WHERE account = $1 AND id = $2 AND version = $3 AND state <> 'closed';

-- Number and event in one statement, the transaction's last: the topic's row is held for this round trip and the
-- commit, no longer. A number without a gap has to be held until its commit by any strategy; a short counter update
-- queues for it once, where inserting the next free number fails everyone but one and makes them start again.
-- name: publish
WITH next AS (
    INSERT INTO topics AS t (account, topic, head) VALUES ($1, $2, 1)
    ON CONFLICT (account, topic) DO UPDATE SET head = t.head + 1
    RETURNING account, topic, head
)
INSERT INTO events (account, topic, sequence, kind, chat, key, by, text, published_at)
SELECT account, topic, head, $3, $4, $5, $6, $7, $8 FROM next
RETURNING sequence;
