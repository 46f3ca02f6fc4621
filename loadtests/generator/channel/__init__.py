"""The connection of Locust's master and workers: who may join it, and which messages a master takes from it."""
