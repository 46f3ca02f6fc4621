-- Sessions of this database by what they do and what they wait for. Application and comments name the operation: those
-- before the statement, and behind it. Of a session that this role may not see even the kind is null. $1: statements of fewer bytes are there to their end; a longer one may be cut within a value.
SELECT
    CASE
        WHEN backend_type IS NULL THEN 'hidden'
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
    CASE
        WHEN state = 'idle' THEN NULL
        ELSE concat(
            substring(query FROM '^(?:\s+|/\*[^*]*\*+(?:[^/*][^*]*\*+)*/|--[^\n]*\n)+'),
            CASE
                WHEN octet_length(query) < $1::int AND right(query, 8) LIKE '%*/%'
                    THEN substring(query FROM '(?:/\*[^*]*\*+/[\s;]*)+$')
            END
        )
    END AS comment,
    count(*)::int AS sessions
FROM pg_stat_activity
WHERE
    datname = current_database()
    AND (backend_type IS NULL OR backend_type IN ('client backend', 'autovacuum worker', 'parallel worker'))
    AND pid <> pg_backend_pid()
GROUP BY 1, 2, 3, 4
