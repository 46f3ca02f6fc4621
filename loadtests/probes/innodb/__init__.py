"""What MariaDB and MySQL show of their sessions and locks, made out. Pure."""
