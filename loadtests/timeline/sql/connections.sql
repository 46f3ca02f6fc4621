SELECT 1 FROM connections WHERE account = ? AND closed_at IS NULL ORDER BY id FOR UPDATE
