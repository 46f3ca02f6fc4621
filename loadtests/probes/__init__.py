"""The observer process: what databases and processes do while the load runs."""
