-- At REPEATABLE READ, InnoDB locks the gaps that a locking read passes: no other transaction inserts there.

-- name: begin_at_repeatable_read
SET TRANSACTION ISOLATION LEVEL REPEATABLE READ;

-- name: newest_chats
SELECT account, max(id) FROM chats GROUP BY account;

-- name: lock_newer_chats
SELECT id FROM chats WHERE account = $1 AND id > $2 FOR UPDATE;

-- name: take_turn
SELECT GET_LOCK('maintenance', 0);

-- name: wait_for_turn
SELECT GET_LOCK('maintenance', $1);
