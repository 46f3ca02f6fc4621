-- Names of relations, by object id or by bare name.
SELECT
    oid AS id,
    relname AS bare,
    oid::regclass::text AS name
FROM pg_class
WHERE oid = ANY($1::oid []) OR relname = ANY($2::name [])
