-- A schema change waits for everything that uses the table, and everything that comes after it waits behind it.

-- name: begin_report
DECLARE report NO SCROLL CURSOR FOR SELECT id, generate_series(1, 1000000000) FROM chats;

-- name: read_on
FETCH FORWARD 20 FROM report;

-- name: change_schema
SET LOCAL lock_timeout = 0;
SET LOCAL statement_timeout = 0;
ALTER TABLE chats ADD COLUMN IF NOT EXISTS note text;
ALTER TABLE chats DROP COLUMN note;
