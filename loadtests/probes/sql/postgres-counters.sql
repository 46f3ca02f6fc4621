-- The server's own totals for this database, and what this role may see of it.
SELECT
    xact_commit AS commits,
    xact_rollback AS rollbacks,
    deadlocks
FROM pg_stat_database
WHERE datname = current_database()
