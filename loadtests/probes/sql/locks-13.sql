-- As locks-14.sql, for servers that do not say when a wait began: statements tell waits apart.
WITH locks AS MATERIALIZED (
    SELECT
        *,
        ROW (
            locktype, database, relation, page, tuple, virtualxid, transactionid, classid, objid, objsubid
        )::text AS tag
    FROM pg_locks
),

waiting AS MATERIALIZED (SELECT DISTINCT pid, tag FROM locks WHERE NOT granted)

SELECT
    l.pid,
    l.tag,
    l.locktype,
    l.mode,
    l.granted,
    l.relation::regclass::text AS relation,
    CASE l.locktype
        WHEN 'advisory' THEN ((l.classid::bigint << 32) | l.objid::bigint)::text
        WHEN 'object' THEN l.classid::regclass::text
    END AS detail,
    (extract(EPOCH FROM a.query_start) * 1000000)::bigint AS since,
    NULL::bigint AS age_ns,
    a.backend_type,
    a.application_name,
    substring(a.query FROM '^\s*/\*\s*([a-z_.]+)\s*\*/') AS comment,
    CASE WHEN NOT l.granted THEN left(a.query, 1000) END AS statement
FROM locks AS l
LEFT JOIN pg_stat_activity AS a ON a.pid = l.pid
WHERE
    l.tag IN (SELECT w.tag FROM waiting AS w)
    OR (l.locktype = 'tuple' AND l.pid IN (SELECT w.pid FROM waiting AS w))
