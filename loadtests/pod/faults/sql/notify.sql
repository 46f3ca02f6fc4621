-- The server keeps notifications in the order of their commits: it locks the whole database from before a commit until
-- after it.

-- name: notify_listeners
SELECT pg_notify('messages', $1);
