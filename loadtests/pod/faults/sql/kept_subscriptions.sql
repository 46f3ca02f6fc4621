-- As the engine's statement of this name, but it removes nothing.

-- name: drop_subscriptions
DELETE FROM subscriptions WHERE connection = $1 AND false;
