"""MariaDB behind a pod."""
