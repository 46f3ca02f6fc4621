"""Locust without what it does to the standard library: importing it turns the threads and sockets of the whole
process into greenlets, and tests that have real threads and event loops would wait for each other for ever.

Only here: the processes that tests start patch themselves as always.
"""

import os

_SWITCH = "LOCUST_SKIP_MONKEY_PATCH"

os.environ[_SWITCH] = "1"
import locust  # noqa: E402, F401

del os.environ[_SWITCH]
