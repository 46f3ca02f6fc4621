"""The reference pod: server (sockets) → service (rules) → storage."""
