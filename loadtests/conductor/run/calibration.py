"""Calibration as a process of its own: started beside what a run starts anyway, and waited for."""

import json
import shutil
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from loadtests.calibration.contract import DSNS, HOLDERS_DSNS, SCRATCH
from loadtests.calibration.figures import sentence, verdict
from loadtests.calibration.judging import DatabaseView, not_calibrated
from loadtests.calibration.plan import Form
from loadtests.conductor.processes import DESCRIPTOR, ChildCommand, start_with_lines
from loadtests.conductor.reaper import ProcessReaper
from loadtests.conductor.watching import Deadline, Interrupts, watching
from loadtests.records.rundirectory import RunDirectory
from loadtests.records.tables import FORMAT

_WITHIN_S: Mapping[Form, float] = {"short": 20.0, "full": 240.0}
_STOP_WITHIN_S = 6.0


@dataclass(frozen=True)
class CalibrationPlace:
    """A database to calibrate: its engine, the observer's way to it, and an ordinary role's, which holds the locks."""

    engine: str
    dsn: str = ""
    holders_dsn: str = ""


@dataclass(frozen=True)
class Outcome:
    """The worst verdict of all figures, and a sentence about it."""

    verdict: str
    sentence: str


class CalibrationProcess:
    """A calibration under way, which writes `calibration.json` into the run's directory."""

    def __init__(
        self, directory: RunDirectory, places: Mapping[str, CalibrationPlace], form: Form, reaper: ProcessReaper
    ) -> None:
        self._directory, self._places, self._form = directory, places, form
        self._closed = False
        argv = [
            *(sys.executable, "-m", "loadtests.calibration", "--form", form),
            *(part for name, place in places.items() for part in ("--database", f"{name}:{place.engine}")),
            *("--run-directory", str(directory.path), "--ready-fd", DESCRIPTOR),
        ]
        environment = {
            DSNS: json.dumps({name: place.dsn for name, place in places.items()}),
            HOLDERS_DSNS: json.dumps({name: place.holders_dsn for name, place in places.items()}),
        }
        log = directory.path / "log" / "calibration.log"
        self._child, self._lines = start_with_lines(ChildCommand("calibration", argv, environment, log), reaper)

    def finish(self, interrupts: Interrupts, report: Callable[[str], None]) -> Outcome:
        """Waits for its outcome; one that fails is an outcome, too. Raises RunEnded(interrupted)."""
        try:
            message = self._last_message(interrupts, report)
        finally:
            self.stop()
        if isinstance(message, str):
            return self._failed(message)
        return Outcome(message["verdict"], message["outcome"])

    def _last_message(self, interrupts: Interrupts, report: Callable[[str], None]) -> Mapping[str, Any] | str:
        """The last line, or why there is none."""
        deadline = Deadline(_WITHIN_S[self._form])
        with watching(interrupts) as watch:
            watch.on_readable(self._lines.descriptor, lambda: None)
            while not deadline.passed:
                interrupts.check()
                for line in map(json.loads, self._lines.read()):
                    if "outcome" in line:
                        return dict(line)
                    report(line["progress"])
                if self._lines.ended:
                    return self._child.exit_summary()
                watch.wait(deadline.left_s)
        return f"it was not done within {_WITHIN_S[self._form]:.0f} s"

    def _failed(self, why: str) -> Outcome:
        figures = [
            not_calibrated(DatabaseView(name, place.engine, self._form), why) for name, place in self._places.items()
        ]
        document = {"format": FORMAT, "form": self._form, "figures": [asdict(figure) for figure in figures]}
        self._directory.write("calibration", document)
        return Outcome(verdict(figures), sentence(figures))

    def stop(self) -> None:
        """Ends it, in order where it still runs, and removes what a killed one left. Harmless when it has ended."""
        self._child.stop(signal.SIGTERM, _STOP_WITHIN_S)
        shutil.rmtree(self._directory.path / SCRATCH, ignore_errors=True)
        if not self._closed:
            self._lines.close()
            self._closed = True
