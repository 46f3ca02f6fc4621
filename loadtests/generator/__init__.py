"""The Locust side of a load: master, workers, rows, live figures, and the channel between processes."""
