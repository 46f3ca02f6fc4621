"""One run of the real command in a directory of its own, with its processes by role and its progress."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from benchmarks.campaign.plan import CALIBRATION, END, START
from loadtests.records.rundirectory import RunDirectory, run_directories

_MARKS = {
    "group_reaper": "conductor/reaper.py",
    "server_supervisor": "servers/supervisor.py",
    "calibration": "loadtests.calibration",
    "pod": "loadtests.pod",
    "observer": "loadtests.probes",
}
_DATABASES = ("postgres -D", "mariadbd", "redis-server")
JUDGED_AFTER_S = 1.5
"""From the first row: the warm-up of the campaign's scenario is over by then."""


@dataclass
class Scene:
    """A `loadtests run` under way below `place`."""

    place: Path
    process: subprocess.Popen[bytes]
    seen: dict[int, psutil.Process] = field(default_factory=dict)
    first_row_at: float | None = None

    @property
    def runs(self) -> Path:
        return self.place / "runs"

    @property
    def is_running(self) -> bool:
        return self.process.poll() is None

    def run(self) -> RunDirectory | None:
        """The run of the study; None before it has a directory."""
        with suppress(OSError):
            for study in sorted(self.runs.iterdir()):
                for run in run_directories(study) if study.is_dir() else ():
                    return run
        return None

    def observe(self) -> None:
        """Store the current processes."""
        with suppress(psutil.Error):
            for child in psutil.Process().children(recursive=True):
                self.seen.setdefault(child.pid, child)

    def find(self, role: str) -> list[psutil.Process]:
        """The live processes of a role, oldest first."""
        self.observe()
        alive = sorted(filter(is_alive, self.seen.values()), key=lambda p: (_created(p), p.pid))
        return [p for p in alive if self._has_role(p, role)]

    def _has_role(self, process: psutil.Process, role: str) -> bool:
        with suppress(psutil.Error):
            return role in self._roles(process, " ".join(process.cmdline()))
        return False

    def _roles(self, process: psutil.Process, line: str) -> Iterator[str]:
        """The roles of a process. The observer is the conductor's own child: calibration has one too."""
        is_conductor, is_child = process.pid == self.process.pid, process.ppid() == self.process.pid
        if is_conductor or "supervisor.py" in line or "reaper.py" in line:
            yield "everything"
        if is_conductor:
            yield "conductor"
        elif "locust" in line and process.ppid() != os.getpid():
            yield "master" if is_child else "worker"
        elif _is_database(process, line):
            # What sets a server up runs its program as well, but not as the supervisor's child.
            if _MARKS["server_supervisor"] in self._parent_line(process):
                yield "database"
        elif any(mark in self._parent_line(process) for mark in _DATABASES):
            if "pod" in line:
                yield "database_child"
        else:
            yield from (role for role, mark in _MARKS.items() if mark in line and (is_child or role != "observer"))

    def _parent_line(self, process: psutil.Process) -> str:
        parent = self.seen.get(process.ppid())
        return " ".join(parent.cmdline()) if parent is not None else ""

    def reached(self, moment: str, role: str) -> bool:
        """Whether the run has reached this moment and has the target process."""
        if role and not self.find(role):
            return False
        if moment == START:  # a command that has not begun yet answers signals as any program does
            is_whole_run = role in ("", "conductor", "everything")
            return bool(self.find("pod") or self.find("database")) if is_whole_run else True
        if moment == CALIBRATION:
            return bool(self.find("calibration"))
        if self.first_row_at is None:
            run = self.run()
            if run is not None and any(batch.num_rows for batch in run.batches("operations")):
                self.first_row_at = time.monotonic()
        loaded = self.first_row_at is not None and time.monotonic() - self.first_row_at > JUDGED_AFTER_S
        return loaded and (moment != END or not self.find("master"))

    def wait_until(self, condition: Callable[[], bool], within_s: float) -> bool:
        """Whether the condition came true while the run went on; its processes are observed meanwhile."""
        until = time.monotonic() + within_s
        while self.is_running and time.monotonic() < until:
            if condition():
                return True
            self.observe()
            time.sleep(0.02)
        return False

    def left(self) -> Iterator[str]:
        """Remaining processes, and files of servers."""
        self.observe()
        for process in self.seen.values():
            if process.pid != self.process.pid and is_alive(process):
                with suppress(psutil.Error):
                    yield f"process {process.pid} {' '.join(process.cmdline())[:120]}"
        for pattern in ("runs/*/*/server-*", "runs/*/server-*", "tmp/*"):
            yield from (str(path.relative_to(self.place)) for path in self.place.glob(pattern))


def start(place: Path, storage: str, scenario: Path, before: Callable[[], None] | None = None) -> Scene:
    """Starts the command; `before` runs in the child between fork and exec."""
    (place / "tmp").mkdir(parents=True, exist_ok=True)
    (place / "tmp").chmod(0o1777)
    command = [sys.executable, "-m", "loadtests", "run", str(scenario), "--storage", storage]
    with (place / "out").open("wb") as out, (place / "err").open("wb") as err:
        process = subprocess.Popen(
            [*command, "--runs", str(place / "runs")],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            env={**os.environ, "TMPDIR": str(place / "tmp")},
            start_new_session=True,
            preexec_fn=before,  # noqa: PLW1509  this process has one thread
        )
    return Scene(place, process)


def _is_database(process: psutil.Process, line: str) -> bool:
    is_server = any(mark in line for mark in _DATABASES) and "python" not in process.name()
    return is_server and "--version" not in line and "--bootstrap" not in line


def is_alive(process: psutil.Process) -> bool:
    with suppress(psutil.Error):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def _created(process: psutil.Process) -> float:
    with suppress(psutil.Error):
        return process.create_time()
    return float("inf")
