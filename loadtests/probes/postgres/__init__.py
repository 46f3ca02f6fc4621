"""The PostgreSQL probe."""
