-- Which lists of metadata locks there are.
SELECT 'metadata' AS list
FROM performance_schema.setup_instruments
WHERE name = 'wait/lock/metadata/sql/mdl' AND enabled = 'YES' AND @@performance_schema
