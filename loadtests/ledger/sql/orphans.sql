-- Subscriptions that no client receives: their connection is closed, missing, or silent since before $1 (Unix ns);
-- and since when.
SELECT
    s.account,
    s.connection,
    s.topic,
    CASE WHEN c.id IS NULL THEN 'missing' WHEN c.closed_at IS NOT NULL THEN 'closed' ELSE 'silent' END AS why,
    COALESCE(c.closed_at, c.seen_at, s.subscribed_at) AS since
FROM subscriptions AS s
LEFT JOIN connections AS c ON c.id = s.connection
WHERE c.id IS NULL OR c.closed_at IS NOT NULL OR c.seen_at < $1
ORDER BY s.connection, s.topic
