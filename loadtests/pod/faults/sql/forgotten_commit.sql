-- What the transaction that is never committed has changed: the row that every event of the account's queue updates.

-- name: change_queue
UPDATE topics SET head = head WHERE account = $1 AND topic = 'queue';
