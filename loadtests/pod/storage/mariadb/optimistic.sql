-- Statements of the optimistic strategy: read without locks, write only where what was read still holds.

-- name: claim_connection
UPDATE connections SET version = version + 1 WHERE id = $1 AND version = $2 AND closed_at IS NULL;

-- name: close_unchanged_connection
UPDATE connections SET closed_at = $3, version = version + 1 WHERE id = $1 AND version = $2 AND closed_at IS NULL;

-- name: reap_unchanged_connection
UPDATE connections SET closed_at = $3, version = version + 1
WHERE id = $1 AND version = $2 AND closed_at IS NULL AND seen_at < $4;

-- name: accept_unchanged_chat
UPDATE chats SET state = 'accepted', accepted_by = $4, accepted_at = $5, version = version + 1
WHERE account = $1 AND id = $2 AND version = $3 AND state = 'offered';

-- name: claim_chat
UPDATE chats SET version = version + 1 WHERE account = $1 AND id = $2 AND version = $3 AND state <> 'closed';

-- name: close_unchanged_chat
UPDATE chats SET state = 'closed', closed_at = $4, version = version + 1
WHERE account = $1 AND id = $2 AND version = $3 AND state <> 'closed';
