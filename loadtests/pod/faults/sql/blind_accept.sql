-- As the optimistic strategy's statement of this name, without the comparison: what was read may not hold any more.

-- name: accept_unchanged_chat
UPDATE chats SET state = 'accepted', accepted_by = $4, accepted_at = $5, version = version + 1
WHERE account = $1 AND id = $2 AND $3::bigint IS NOT NULL;
