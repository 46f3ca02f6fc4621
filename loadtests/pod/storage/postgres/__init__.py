"""PostgreSQL behind a pod."""
