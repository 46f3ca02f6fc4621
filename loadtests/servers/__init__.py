"""Private database servers: created in a directory of their own, and gone when their owner is."""
