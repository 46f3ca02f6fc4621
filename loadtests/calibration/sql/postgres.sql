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

-- name: waiting
SELECT EXISTS (SELECT FROM pg_locks WHERE pid = $1 AND NOT granted);
