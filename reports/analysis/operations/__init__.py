"""Figures of operations: response times, outcomes, SLIs."""
