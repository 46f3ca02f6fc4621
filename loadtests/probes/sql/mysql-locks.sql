-- Who waits for a lock of InnoDB's, and each one who is in the way: holders, and those who asked before.
SELECT
    r.processlist_id AS waiter,
    coalesce(b.processlist_id, 0) AS blocker,
    held.lock_status <> 'GRANTED' AS queues,
    w.requesting_engine_lock_id AS locked,
    asked.lock_mode AS mode,
    asked.lock_type AS type,
    asked.object_name AS relation
FROM performance_schema.data_lock_waits AS w
JOIN performance_schema.data_locks AS asked
    ON asked.engine_lock_id = w.requesting_engine_lock_id AND asked.engine = w.engine
JOIN performance_schema.data_locks AS held
    ON held.engine_lock_id = w.blocking_engine_lock_id AND held.engine = w.engine
JOIN performance_schema.threads AS r ON r.thread_id = w.requesting_thread_id
LEFT JOIN performance_schema.threads AS b ON b.thread_id = w.blocking_thread_id
WHERE r.processlist_id IS NOT NULL
