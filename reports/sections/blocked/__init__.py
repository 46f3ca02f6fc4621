"""Who blocked whom: lock waits, how long they lasted, how transactions ended."""
