-- A read of many rows: at SERIALIZABLE it conflicts with each transaction that changes one of them.

-- name: count_offered_chats
SELECT count(*) FROM chats WHERE account = $1 AND state = 'offered';
