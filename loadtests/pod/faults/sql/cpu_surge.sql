-- Processor time without a lock or a page read: what a plan without an index costs.

-- name: compute_ranking
SELECT count(DISTINCT md5(number::text)) FROM generate_series(1, 120000) AS number;
