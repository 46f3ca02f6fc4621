-- The server's own totals. lock_waits grows when a wait for a row's lock begins, lock_wait_ms when it ends.
SELECT
    CASE variable_name
        WHEN 'Innodb_row_lock_waits' THEN 'lock_waits'
        WHEN 'Innodb_row_lock_time' THEN 'lock_wait_ms'
        WHEN 'Com_commit' THEN 'commits'
        WHEN 'Com_rollback' THEN 'rollbacks'
    END AS counter,
    CAST(variable_value AS SIGNED) AS value
FROM performance_schema.global_status
WHERE variable_name IN (
    'Innodb_row_lock_waits', 'Innodb_row_lock_time', 'Com_commit', 'Com_rollback'
)
UNION ALL
SELECT 'deadlocks', CAST(count AS SIGNED)
FROM information_schema.innodb_metrics
WHERE name = 'lock_deadlocks' AND status = 'enabled'
