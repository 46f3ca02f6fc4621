-- As locks-14.sql, for servers that do not report when a wait began: statements distinguish waits.
WITH locks AS MATERIALIZED (
    SELECT
        *,
        ROW (
            locktype, database, relation, page, tuple, virtualxid, transactionid, classid, objid, objsubid
        )::text AS tag
    FROM pg_locks
),

waiting AS MATERIALIZED (
    SELECT DISTINCT l.pid, l.tag
    FROM locks AS l
    INNER JOIN pg_stat_activity AS a ON l.pid = a.pid AND a.datname = current_database()
    WHERE NOT l.granted
),

prepared AS (
    SELECT l.virtualtransaction, x.gid, x.prepared
    FROM locks AS l
    INNER JOIN pg_prepared_xacts AS x ON l.transactionid = x.transaction
    WHERE l.pid IS NULL AND l.locktype = 'transactionid'
)

SELECT
    coalesce(l.pid, 0) AS pid,
    l.tag,
    l.locktype,
    l.mode,
    l.granted,
    coalesce(a.datname = current_database(), FALSE) AS ours,
    l.relation::regclass::text AS relation,
    l.page,
    l.tuple,
    coalesce(l.transactionid::text, l.virtualxid) AS number,
    l.classid::bigint AS class_id,
    l.objid::bigint AS object_id,
    l.objsubid::int AS keys,
    CASE WHEN l.locktype = 'object' THEN l.classid::regclass::text END AS class_name,
    (extract(EPOCH FROM a.query_start) * 1000000)::bigint AS since,
    NULL::bigint AS age_ns,
    (extract(EPOCH FROM coalesce(a.xact_start, p.prepared)) * 1000000)::bigint AS began,
    (extract(EPOCH FROM a.query_start) * 1000000)::bigint AS asked,
    a.backend_type,
    a.application_name,
    p.gid AS prepared,
    CASE WHEN a.datname = current_database() THEN left(nullif(a.query, '<insufficient privilege>'), 1000) END AS statement,
    octet_length(a.query) < least($1::int, 1000) AS whole
FROM locks AS l
LEFT JOIN pg_stat_activity AS a ON a.pid = l.pid
LEFT JOIN prepared AS p ON l.pid IS NULL AND p.virtualtransaction = l.virtualtransaction
WHERE
    l.tag IN (SELECT w.tag FROM waiting AS w)
    OR (l.locktype = 'tuple' AND l.pid IN (SELECT w.pid FROM waiting AS w))
