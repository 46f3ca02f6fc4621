-- What every client's session does, with the InnoDB transaction that it is in. The age of a statement is in
-- performance_schema in picoseconds, that of an idle session in whole seconds. Who is idle in a transaction shows the
-- statement that it ran last. Statements are cut to about a thousand bytes: the end of longer ones is unknown.
SELECT
    p.processlist_id AS session,
    CASE
        WHEN t.trx_state = 'LOCK WAIT' THEN 'lock'
        WHEN p.processlist_state LIKE 'Waiting for % lock' OR p.processlist_state = 'User lock' THEN 'lock'
        WHEN p.processlist_command = 'Sleep' AND t.trx_id IS NOT NULL THEN 'idle in transaction'
        WHEN p.processlist_command = 'Sleep' THEN 'client'
        WHEN p.processlist_state IN ('Sending to client', 'Receiving from client') THEN 'client'
        WHEN p.processlist_state IN ('waiting for handler commit', 'starting', 'Rolling back') THEN 'io'
        WHEN p.processlist_state LIKE 'Waiting%' THEN 'other'
        ELSE 'running'
    END AS wait_class,
    t.trx_id AS transaction,
    p.processlist_state AS state,
    left(CASE WHEN t.trx_id IS NULL THEN p.processlist_info ELSE coalesce(p.processlist_info, e.sql_text) END, 1000) AS head,
    NULL AS tail,
    coalesce(e.event_id, 0) AS query,
    CASE
        WHEN p.processlist_command <> 'Sleep' AND e.end_event_id IS NULL AND e.timer_wait IS NOT NULL
            THEN CAST(e.timer_wait DIV 1000 AS SIGNED)
        ELSE coalesce(p.processlist_time, 0) * 1000000000
    END AS age_ns,
    coalesce(p.processlist_user, '') AS user
FROM performance_schema.threads AS p
LEFT JOIN information_schema.innodb_trx AS t ON t.trx_mysql_thread_id = p.processlist_id
LEFT JOIN performance_schema.events_statements_current AS e
    ON e.thread_id = p.thread_id AND e.nesting_event_id IS NULL
WHERE p.type = 'FOREGROUND' AND p.processlist_id <> connection_id()
    AND p.processlist_command NOT IN ('Daemon', 'Binlog Dump', 'Binlog Dump GTID')
