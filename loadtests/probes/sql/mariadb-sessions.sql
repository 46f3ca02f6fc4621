-- What every client's session does, with the InnoDB transaction that it is in. A session that waits for a row's lock
-- shows no state of its own: its transaction does, which may be of a moment when the session was in another statement
-- or in none. Commit is where InnoDB writes its log and has it synced.
SELECT
    p.id AS session,
    CASE
        WHEN t.trx_state = 'LOCK WAIT' AND p.info IS NOT NULL THEN 'lock'
        WHEN p.state LIKE 'Waiting for % lock' OR p.state = 'User lock' THEN 'lock'
        WHEN p.command = 'Sleep' AND t.trx_id IS NOT NULL THEN 'idle in transaction'
        WHEN p.command = 'Sleep' THEN 'client'
        WHEN p.state IN ('Writing to net', 'Reading from net', 'Sending to client') THEN 'client'
        WHEN p.state IN ('Commit', 'Starting commit', 'Commit implicit', 'Rollback') THEN 'io'
        WHEN p.state LIKE 'Waiting%' THEN 'other'
        ELSE 'running'
    END AS wait_class,
    t.trx_id AS transaction,
    p.state,
    left(p.info, 1000) AS head,
    CASE WHEN octet_length(p.info) BETWEEN 1000 AND 65000 THEN right(p.info, 1000) END AS tail,
    p.query_id AS query,
    CAST(p.time_ms * 1000000 AS SIGNED) AS age_ns,
    p.user
FROM information_schema.processlist AS p
LEFT JOIN information_schema.innodb_trx AS t ON t.trx_mysql_thread_id = p.id
WHERE p.id <> connection_id() AND p.command NOT IN ('Daemon', 'Binlog Dump') AND p.user <> 'system user'
