-- Two rows for each account, which a transaction updates in one order or in the other.

-- name: make_tallies
CREATE TABLE IF NOT EXISTS tallies (account text, side integer, messages bigint NOT NULL, PRIMARY KEY (account, side));

-- name: tally
INSERT INTO tallies (account, side, messages) VALUES ($1, $2, 1)
ON CONFLICT (account, side) DO UPDATE SET messages = tallies.messages + 1;
