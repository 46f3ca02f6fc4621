SELECT c.account, c.id, c.role, CASE WHEN c.closed_at IS NULL THEN 'open' ELSE 'closed' END AS state FROM connections AS c
