"""PostgreSQL's log of its lock waits that last longer than `deadlock_timeout`."""
