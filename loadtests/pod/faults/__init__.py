"""Faults that the reference pod can be started with, one module each; `loadtests/faultnames.py` is their table."""
