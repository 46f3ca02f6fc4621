"""Names that whoever starts a calibration shares with it."""

DSNS = "LOADTESTS_DSNS"
HOLDERS_DSNS = "LOADTESTS_HOLDERS_DSNS"
"""Environment variables: JSON objects, database → the observer's way to it, and that of the sessions that hold."""

SCRATCH = "calibrating"
"""A directory in the run's for as long as a calibration lasts."""
