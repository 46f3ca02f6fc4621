-- The server's own totals. lock_waits grows when a wait for a row's lock begins, lock_wait_ms when it ends.
SELECT
    CASE variable_name
        WHEN 'INNODB_ROW_LOCK_WAITS' THEN 'lock_waits'
        WHEN 'INNODB_ROW_LOCK_TIME' THEN 'lock_wait_ms'
        WHEN 'INNODB_DEADLOCKS' THEN 'deadlocks'
        WHEN 'COM_COMMIT' THEN 'commits'
        WHEN 'COM_ROLLBACK' THEN 'rollbacks'
    END AS counter,
    CAST(variable_value AS SIGNED) AS value
FROM information_schema.global_status
WHERE variable_name IN (
    'INNODB_ROW_LOCK_WAITS', 'INNODB_ROW_LOCK_TIME', 'INNODB_DEADLOCKS', 'COM_COMMIT', 'COM_ROLLBACK'
)
