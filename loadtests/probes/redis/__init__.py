"""The Redis probe."""
