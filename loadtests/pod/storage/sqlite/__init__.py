"""SQLite behind a pod: one file, WAL, synchronous FULL, several connections that contend for the write lock."""
