-- At REPEATABLE READ, InnoDB locks what this reads and the gaps between the rows: no other transaction inserts there.

-- name: lock_closed_chats
SELECT account, id FROM chats WHERE state = 'closed' FOR UPDATE;

-- name: count_messages
SELECT count(*) FROM messages WHERE account = $1 AND chat = $2;
