"""Private MariaDB servers."""
