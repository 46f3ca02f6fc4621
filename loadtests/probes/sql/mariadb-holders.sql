-- Which lists of metadata locks there are, the better one first.
SELECT 'metadata' AS list
FROM performance_schema.setup_instruments
WHERE name = 'wait/lock/metadata/sql/mdl' AND enabled = 'YES' AND @@performance_schema
UNION ALL
SELECT 'plugin'
FROM information_schema.plugins
WHERE plugin_name = 'METADATA_LOCK_INFO' AND plugin_status = 'ACTIVE'
