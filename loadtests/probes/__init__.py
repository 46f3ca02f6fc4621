"""The observer: what databases and processes do while the load runs. A process of its own."""
