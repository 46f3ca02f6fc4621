-- The lock that an ORM takes with select_for_update(): stronger than the one that an insert of a child row asks for.

-- name: lock_parents
SELECT account FROM accounts ORDER BY account FOR UPDATE;
