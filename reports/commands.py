"""The installed commands `loadtests-report` and `loadtests-gate`: a clean environment first, then their modules."""

import importlib
import sys
from collections.abc import Callable

CANNOT_START = 70


def report() -> int:
    return _started("loadtests-report", "reports.report_command")


def gate() -> int:
    return _started("loadtests-gate", "reports.gate.command")


def _started(command: str, module: str) -> int:
    """Python itself ends with 1 when it cannot import something, and 1 says that a release must not go out."""
    try:
        from loadtests import environment

        environment.clean()
        main: Callable[[], int] = importlib.import_module(module).main
    except Exception as error:  # whatever a broken installation does
        print(f"{command}: cannot start: {type(error).__name__}: {error}; install it anew", file=sys.stderr)
        return CANNOT_START
    return main()
