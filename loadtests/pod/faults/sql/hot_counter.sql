-- One row that counts the requests of all accounts, kept inside of the transaction that it counts.

-- name: make_request_counter
CREATE TABLE IF NOT EXISTS request_counter (name text PRIMARY KEY, requests bigint NOT NULL);

-- name: fill_request_counter
INSERT INTO request_counter (name, requests) VALUES ('all', 0) ON CONFLICT DO NOTHING;

-- name: count_request
UPDATE request_counter SET requests = requests + 1 WHERE name = 'all';
