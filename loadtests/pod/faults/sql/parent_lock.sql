-- The lock that an ORM takes with select_for_update(): stronger than the one that an insert of a child row asks for.

-- name: lock_parent
SELECT account FROM accounts WHERE account = $1 FOR UPDATE;
