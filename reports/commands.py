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
    """Start a command. A failed import must not exit with Python's own 1, which means that a release must not go
    out."""
    try:
        from loadtests import environment

        environment.clean()
        main: Callable[[], int] = importlib.import_module(module).main
    except Exception as error:  # any error of a broken installation
        print(f"{command}: cannot start: {type(error).__name__}: {error}; reinstall it", file=sys.stderr)
        return CANNOT_START
    return main()
