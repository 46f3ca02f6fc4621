"""Figures of lock waits: who waited for whom, and for how long."""
