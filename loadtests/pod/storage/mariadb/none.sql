-- Statements of the strategy without locks: what one statement can make sure of by itself.

-- name: close_open_connection
UPDATE connections SET closed_at = $2 WHERE id = $1 AND closed_at IS NULL;

-- name: reap_silent_connection
UPDATE connections SET closed_at = $2 WHERE id = $1 AND closed_at IS NULL AND seen_at < $3;

-- name: accept_offered_chat
UPDATE chats SET state = 'accepted', accepted_by = $3, accepted_at = $4
WHERE account = $1 AND id = $2 AND state = 'offered';

-- name: close_open_chat
UPDATE chats SET state = 'closed', closed_at = $3 WHERE account = $1 AND id = $2 AND state <> 'closed';
