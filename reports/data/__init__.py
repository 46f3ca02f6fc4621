"""Run directories → values and arrays."""
