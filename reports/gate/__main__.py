"""`python -m reports.gate`: the command `loadtests-gate`, for processes that start it without its script."""

import sys

from reports.commands import gate

sys.exit(gate())
