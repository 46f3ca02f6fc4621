-- A schema change waits for everything that uses the table, and everything that comes after it waits behind it.

-- name: count_chats
SELECT state, count(*) FROM chats GROUP BY state;

-- name: change_schema
SET LOCAL lock_timeout = 0;
SET LOCAL statement_timeout = 0;
ALTER TABLE chats ADD COLUMN IF NOT EXISTS note text;
ALTER TABLE chats DROP COLUMN note;
