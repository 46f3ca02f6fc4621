-- Who waits for a lock of InnoDB's, and each one who is in the way: holders, and those who asked before.
SELECT
    r.trx_mysql_thread_id AS waiter,
    b.trx_mysql_thread_id AS blocker,
    b.trx_requested_lock_id <=> w.blocking_lock_id AS queues,
    w.requested_lock_id AS locked,
    l.lock_mode AS mode,
    l.lock_type AS type,
    l.lock_table AS relation
FROM information_schema.innodb_lock_waits AS w
JOIN information_schema.innodb_trx AS r ON r.trx_id = w.requesting_trx_id
JOIN information_schema.innodb_trx AS b ON b.trx_id = w.blocking_trx_id
JOIN information_schema.innodb_locks AS l ON l.lock_id = w.requested_lock_id
