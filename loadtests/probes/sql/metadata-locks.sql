-- Every metadata and user-level lock with waiters: its holders and its requests.
SELECT
    t.processlist_id AS session,
    m.object_type AS kind,
    m.object_schema,
    m.object_name,
    m.lock_type AS mode,
    m.lock_status = 'GRANTED' AS granted
FROM performance_schema.metadata_locks AS m
JOIN performance_schema.threads AS t ON t.thread_id = m.owner_thread_id
WHERE t.processlist_id IS NOT NULL AND EXISTS (
    SELECT 1
    FROM performance_schema.metadata_locks AS w
    WHERE w.lock_status = 'PENDING' AND w.object_type = m.object_type
        AND w.object_schema <=> m.object_schema AND w.object_name <=> m.object_name
)
