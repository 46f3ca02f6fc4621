-- Metadata and user-level locks that are held, from the plugin metadata_lock_info, in the words of performance_schema.
SELECT
    thread_id AS session,
    CASE lock_type
        WHEN 'Table metadata lock' THEN 'TABLE'
        WHEN 'User lock' THEN 'USER LEVEL LOCK'
        ELSE upper(replace(lock_type, ' metadata lock', ''))
    END AS kind,
    CASE WHEN lock_type <> 'User lock' THEN table_schema END AS object_schema,
    CASE WHEN lock_type = 'User lock' THEN table_schema ELSE table_name END AS object_name,
    replace(lock_mode, 'MDL_', '') AS mode,
    1 AS granted
FROM information_schema.metadata_lock_info
