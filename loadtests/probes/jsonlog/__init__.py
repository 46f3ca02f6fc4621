"""PostgreSQL's own account of its lock waits: what its log tells of those longer than `deadlock_timeout`."""
