-- What holds are made of. Names in braces are numbers of our own.

-- name: scratch
DROP SCHEMA IF EXISTS loadtests_calibration CASCADE;
CREATE SCHEMA loadtests_calibration;
CREATE TABLE loadtests_calibration.rows (id int PRIMARY KEY, n int NOT NULL);
INSERT INTO loadtests_calibration.rows SELECT id, 0 FROM generate_series(0, {keys}) AS id;

-- name: scratch_relation
CREATE TABLE loadtests_calibration.relation_{hold} ();

-- name: drop
SET lock_timeout = '5s';
DROP SCHEMA IF EXISTS loadtests_calibration CASCADE;

-- name: begin
BEGIN;
SET LOCAL application_name = '{name}@calibration';
SET LOCAL lock_timeout = '{patience_ms}ms';

-- name: row
UPDATE loadtests_calibration.rows SET n = n + 1 WHERE id = {key};

-- name: advisory
SELECT pg_advisory_xact_lock(711, {key});

-- name: read_relation
LOCK TABLE loadtests_calibration.relation_{hold} IN ACCESS SHARE MODE;

-- name: change_relation
LOCK TABLE loadtests_calibration.relation_{hold} IN ACCESS EXCLUSIVE MODE;

-- name: notifying_commit
NOTIFY loadtests_calibration;
COMMIT;

-- name: before_stuck_commit
SET LOCAL synchronous_commit = 'on';
UPDATE loadtests_calibration.rows SET n = n + 1 WHERE id = {key};
NOTIFY loadtests_calibration;

-- name: stuck
SELECT EXISTS (
    SELECT
    FROM pg_locks AS l
    INNER JOIN pg_stat_activity AS a ON l.pid = a.pid
    WHERE
        l.pid = $1
        AND l.granted
        AND l.locktype = 'object'
        AND l.classid = 'pg_database'::regclass
        AND l.objid = 0
        AND a.wait_event = 'SyncRep'
);

-- name: set_standby
ALTER SYSTEM SET synchronous_standby_names = 'loadtests_calibration';

-- name: reset_standby
ALTER SYSTEM RESET synchronous_standby_names;

-- name: waiting
SELECT EXISTS (SELECT FROM pg_locks WHERE pid = $1 AND NOT granted);
