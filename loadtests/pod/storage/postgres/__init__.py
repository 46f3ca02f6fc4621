"""PostgreSQL behind a pod, with two locking strategies over one schema."""
