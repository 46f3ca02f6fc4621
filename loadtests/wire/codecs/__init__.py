"""How messages look on the wire: pure functions, no I/O."""
