"""The gate as a process beside a study, which ends the study when an objective fails."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from loadtests.commandline import EX_FAIL, EX_OK
from loadtests.conductor.processes import Child, ChildCommand
from loadtests.conductor.reaper import ProcessReaper

LOG: Final = "gate.log"


def _argv(study: Path) -> Sequence[str]:
    return [sys.executable, "-P", "-m", "reports.gate", "--watch", "--", str(study.absolute())]


class GateWatch:
    """`loadtests-gate --watch` on one study. The objectives are those of its scenario."""

    def __init__(self, study: Path, reaper: ProcessReaper) -> None:
        self.child = Child(ChildCommand("gate", _argv(study), {}, study / LOG), reaper)

    @property
    def failure(self) -> str:
        """Why the study must end; empty while no objective has failed."""
        return self._conclusion() if self.child.exit_code() == EX_FAIL else ""

    @property
    def note(self) -> str:
        """What it ended with otherwise, for the terminal; empty while it runs."""
        code = self.child.exit_code()
        if code in (None, EX_FAIL):
            return ""
        return self._conclusion() if code == EX_OK else f"objectives are no longer watched: {self.child.exit_summary()}"

    def _conclusion(self) -> str:
        """The last line of its log."""
        return self.child.log_tail(1).strip() or f"see {LOG}"


@contextmanager
def gate_watch(study: Path, reaper: ProcessReaper) -> Iterator[GateWatch]:
    watch = GateWatch(study, reaper)
    try:
        yield watch
    finally:
        watch.child.kill()
