-- Work of a job that takes its time and little else: the planner's statistics, read with the pauses that PostgreSQL
-- makes between pages when its maintenance is to leave the disk to others.

-- name: read_slowly
SET LOCAL vacuum_cost_delay = 100;
SET LOCAL vacuum_cost_limit = 1;

-- name: read_messages
ANALYZE messages;
