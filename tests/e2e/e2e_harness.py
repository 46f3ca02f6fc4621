"""Runs of the real command, watched from outside: what it started, what it left, what it wrote."""

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import psutil

from loadtests.records.rundirectory import RunDirectory, run_directories

SCENARIO = """\
name: tiny
seed: 11
accounts: 2
locales: [en_GB]
storages: [memory]
agent: {{subscriptions: 1, think: {{median: 50ms, sigma: 0.3}}, chats_at_once: 4, session: 4s, churn: 2s}}
customer: {{arrivals: poisson, patience: 2s, messages: {{min: 1, max: 2}}, pause: {{median: 50ms, sigma: 0.3}}}}
timeouts: {{default: 2s}}
stages:
  - {{name: warm-up, duration: 1s, agents: 4, arrivals_per_s: 8}}
  - {{name: steady, duration: {steady_s}s, agents: 4, arrivals_per_s: 8, judge: true}}
"""

_MARK = "LOADTESTS_E2E_MARK"
T = TypeVar("T")


def write_scenario(directory: Path, steady_s: int = 4) -> Path:
    path = directory / "tiny.yaml"
    path.write_text(SCENARIO.format(steady_s=steady_s))
    return path


def wait_for(what: Callable[[], T | None], within_s: float = 30.0) -> T:
    """The first result that is neither None nor empty."""
    until = time.monotonic() + within_s
    while time.monotonic() < until:
        if found := what():
            return found
        time.sleep(0.1)
    raise AssertionError(f"waited {within_s:g} s in vain")


@dataclass
class Harness:
    """A `loadtests` command under way. `seen` are the processes that it was ever seen to have started."""

    process: subprocess.Popen[str]
    mark: str
    runs: Path
    seen: dict[int, psutil.Process] = field(default_factory=dict)
    stdout: str = ""
    stderr: str = ""

    def note_processes(self) -> None:
        with suppress(psutil.Error):
            for child in psutil.Process(self.process.pid).children(recursive=True):
                self.seen.setdefault(child.pid, child)

    def directory(self) -> RunDirectory | None:
        """The run that was begun last."""
        self.note_processes()
        found = [run for study in sorted(self.runs.glob("*")) for run in run_directories(study)]
        return found[-1] if found else None

    def wait_for_rows(self, least: int = 20) -> RunDirectory:
        """Returns when the load is well under way."""
        return wait_for(lambda: self.with_rows(least))

    def with_rows(self, least: int = 20) -> RunDirectory | None:
        """The run, if its load is well under way."""
        assert self.process.poll() is None, (self.finish(), self.stderr)
        run = self.directory()
        return run if run and sum(b.num_rows for b in run.batches("operations")) >= least else None

    def child(self, *words: str) -> psutil.Process:
        """The one started process with all these words in its command line."""
        self.note_processes()
        found = []
        for process in self.seen.values():
            with suppress(psutil.Error):
                line = " ".join(process.cmdline())
                if all(word in line for word in words) and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
        assert found, words
        return min(found, key=lambda p: p.create_time())

    def finish(self, within_s: float = 60.0) -> int:
        """Waits for the end. Returns the exit code."""
        until = time.monotonic() + within_s
        while self.process.poll() is None and time.monotonic() < until:
            self.note_processes()  # reads /proc of every process
            time.sleep(0.25)
        self.stdout, self.stderr = self.process.communicate(timeout=5)
        return self.process.returncode

    def study(self) -> Path:
        return Path(self.stdout.splitlines()[-1])

    def end(self) -> dict[str, Any]:
        run = self.directory()
        assert run is not None
        document: dict[str, Any] = run.read("end")
        return document

    def left_behind(self) -> list[str]:
        """Processes that are still there, by family or by mark."""
        return [_described(p) for p in [*self.seen.values(), *_marked(self.mark)] if _alive(p)]


def _alive(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def _described(process: psutil.Process) -> str:
    with suppress(psutil.Error):
        return f"{process.pid} {' '.join(process.cmdline())}"
    return str(process.pid)


def _marked(mark: str) -> Iterator[psutil.Process]:
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.environ().get(_MARK) == mark:
                yield process


@dataclass(frozen=True)
class Account:
    """An account, and a Python that it can run: ours may be in a home that no other user can enter."""

    python: str = sys.executable
    account: dict[str, Any] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    prefix: tuple[str, ...] = ()
    """What runs it: a command that takes ours as its last arguments."""


US = Account()


@contextmanager
def loadtests(*arguments: str, runs: Path, who: Account = US, **environment: str) -> Iterator[Harness]:
    """Starts the command; processes that it leaves are killed at the end."""
    mark = uuid.uuid4().hex
    process = subprocess.Popen(
        [*who.prefix, who.python, "-m", "loadtests", *arguments, "--runs", str(runs)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, _MARK: mark, **who.environment, **environment},
        start_new_session=True,
        **who.account,
    )
    harness = Harness(process, mark, runs)
    try:
        yield harness
    finally:
        harness.note_processes()
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGKILL)
        for left in [*harness.seen.values(), *_marked(mark)]:
            with suppress(psutil.Error):
                left.kill()
        if not process.stdout.closed:
            process.communicate()
