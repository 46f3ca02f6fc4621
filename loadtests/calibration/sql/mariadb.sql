-- What holds are made of. Names in braces are numbers of our own, but for the name of a hold.

-- name: drop
DROP TABLE IF EXISTS {tables};

-- name: scratch
CREATE TABLE {table} (id INT PRIMARY KEY, n INT NOT NULL) ENGINE = InnoDB;

-- name: rows
INSERT INTO loadtests_calibration SELECT seq, 0 FROM seq_0_to_{keys};

-- name: patience
SET innodb_lock_wait_timeout = {patience_s}, lock_wait_timeout = {patience_s};

-- name: row
UPDATE loadtests_calibration SET n = n + 1 WHERE id = {key};

-- name: user_lock
SELECT get_lock('loadtests_calibration_{key}', {patience_s});

-- name: read_relation
SELECT count(*) FROM loadtests_calibration_{hold};

-- name: change_relation
ALTER TABLE loadtests_calibration_{hold} COMMENT 'calibration';

-- name: release
DO release_all_locks();

-- name: waiting
SELECT EXISTS (
    SELECT 1
    FROM information_schema.processlist
    WHERE id = %s AND (state LIKE 'Waiting for %% lock' OR state IN ('User lock', 'Updating'))
);
