-- What the server says of its log. Who may not ask where that is gets an error.
SELECT
    current_setting('log_lock_waits') = 'on' AS lock_waits,
    current_setting('lc_messages') AS language,
    (extract(EPOCH FROM current_setting('deadlock_timeout')::interval) * 1000000)::bigint AS threshold_us,
    current_setting('data_directory') AS directory,
    pg_current_logfile('jsonlog') AS file,
    extract(
        EPOCH FROM (now() AT TIME ZONE current_setting('log_timezone')) - (now() AT TIME ZONE 'UTC')
    )::int AS zone_s,
    EXISTS (
        SELECT
        FROM pg_db_role_setting AS s, unnest(s.setconfig) AS c (setting)
        WHERE
            s.setdatabase IN (0, (SELECT d.oid FROM pg_database AS d WHERE d.datname = current_database()))
            AND c.setting ~ '^(log_lock_waits|deadlock_timeout|lc_messages|log_min_messages)='
    ) AS own_settings
