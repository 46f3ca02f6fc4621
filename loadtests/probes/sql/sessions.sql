-- Sessions by what they do and what they wait for. Application and comment name the operation.
SELECT
    CASE
        WHEN state = 'idle' THEN 'client'
        WHEN state LIKE 'idle in transaction%' THEN 'idle in transaction'
        WHEN wait_event_type IS NULL THEN 'running'
        WHEN wait_event_type = 'Lock' THEN 'lock'
        WHEN wait_event_type = 'IO' THEN 'io'
        WHEN wait_event_type = 'Client' THEN 'client'
        ELSE 'other'
    END AS wait_class,
    backend_type,
    application_name,
    CASE WHEN state <> 'idle' THEN substring(query FROM '^\s*/\*\s*([a-z_.]+)\s*\*/') END AS comment,
    count(*)::int AS sessions
FROM pg_stat_activity
WHERE backend_type IN ('client backend', 'autovacuum worker', 'parallel worker') AND pid <> pg_backend_pid()
GROUP BY 1, 2, 3, 4
