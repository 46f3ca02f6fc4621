"""Private PostgreSQL servers."""
