"""Child processes: settings as arguments, secrets in the environment, killed when the conductor exits."""

import contextlib
import ctypes
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psutil

from loadtests.conductor.failures import RunEnded
from loadtests.conductor.reaper import ProcessReaper
from loadtests.conductor.watching import Deadline, Interrupts, Lines, watching
from loadtests.environment import child_environment

READY_WITHIN_S = 30.0
CHECK_EVERY_S = 1.0
STOPPED_S = 5.0
"""How long a process that is to get ready may be stopped."""
_TAIL_BYTES = 65_536

DESCRIPTOR = "{ready}"
"""An argument, or the value of a variable: the number of the descriptor for the lines of a process."""

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None)


def child_of(parent: int, number: signal.Signals = signal.SIGKILL) -> Callable[[], None]:
    """What a child does before it executes its program: it asks for that signal when `parent` exits."""

    def between_fork_and_exec() -> None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, number)
        if os.getppid() != parent:  # it exited before the signal was requested
            os._exit(1)
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # a shell ignores it for commands in the background

    return between_fork_and_exec


@dataclass(frozen=True)
class ChildCommand:
    """What to start. In `argv` and `environment`, `DESCRIPTOR` stands for the one to which it writes its lines."""

    name: str
    argv: Sequence[str]
    environment: Mapping[str, str]
    log: Path


class Child:
    """One process of ours in a session of its own, its output in a file of the run directory."""

    def __init__(
        self, command: ChildCommand, reaper: ProcessReaper, pass_fds: Sequence[int] = (), stdin: int | None = None
    ):
        self.name, self.log, self._reaper = command.name, command.log, reaper
        with command.log.open("ab") as log:
            self._process = subprocess.Popen(
                command.argv,
                stdin=subprocess.DEVNULL if stdin is None else stdin,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=child_environment(
                    {"PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8:backslashreplace", **command.environment}
                ),
                cwd=command.log.parent,  # libraries find no settings file of the user's there
                pass_fds=pass_fds,
                start_new_session=True,
                preexec_fn=child_of(os.getpid()),  # noqa: PLW1509  there is one thread here
            )
        reaper.watch_group(self.pid)

    @property
    def pid(self) -> int:
        return self._process.pid

    def exit_code(self) -> int | None:
        """None while it runs; negative when a signal ended it."""
        return self._process.poll()

    def is_stopped(self) -> bool:
        """Whether a signal has stopped it, such as SIGSTOP."""
        with contextlib.suppress(psutil.Error):
            return bool(psutil.Process(self.pid).status() == psutil.STATUS_STOPPED)
        return False

    def send(self, number: signal.Signals) -> None:
        """To the process alone, not to its children."""
        if self.exit_code() is None:
            self._process.send_signal(number)

    def stop(self, number: signal.Signals, within_s: float) -> bool:
        """Sends a signal; kills process and children when it does not exit. Returns whether it exited by itself."""
        self.send(number)
        try:
            self._process.wait(within_s)
        except subprocess.TimeoutExpired:
            self.kill()
            return False
        self.kill()
        return True

    def kill(self) -> None:
        """Kills what is left of the process and of its children. Harmless when there is nothing left."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()
        self._reaper.forget(self.pid)

    def outlive(self, within_s: float) -> None:
        """Waits for the children of a process that exited: they may have something to finish."""
        deadline = Deadline(within_s)
        with contextlib.suppress(ProcessLookupError):
            while not deadline.passed:
                os.killpg(self.pid, 0)
                time.sleep(0.02)

    def log_tail(self, lines: int = 6) -> str:
        """The end of its log, for a message."""
        try:
            with self.log.open("rb") as log:
                log.seek(max(log.seek(0, os.SEEK_END) - _TAIL_BYTES, 0))
                text = log.read(_TAIL_BYTES).decode(errors="replace")
        except OSError:
            return ""
        return "\n".join(f"    {line}" for line in text.splitlines()[-lines:])

    def exit_summary(self) -> str:
        """How it ended, in words."""
        code = self._process.wait(timeout=5) if self.exit_code() is None else self.exit_code()
        assert code is not None
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        return f"{self.name} {how}; its log is {self.log.parent.name}/{self.log.name}"


def start_with_lines(command: ChildCommand, reaper: ProcessReaper, stdin: int | None = None) -> tuple[Child, Lines]:
    """The process, and the lines that it writes to its descriptor for them."""
    read_end, write_end = os.pipe()
    lines, number = Lines(read_end), str(write_end)
    argv = [number if part == DESCRIPTOR else part for part in command.argv]
    environment = {name: number if value == DESCRIPTOR else value for name, value in command.environment.items()}
    try:
        return Child(replace(command, argv=argv, environment=environment), reaper, [write_end], stdin), lines
    except BaseException:
        lines.close()
        raise
    finally:
        os.close(write_end)


class Starting:
    """A process that has been started and writes one line when it is ready. Call `has_result` whenever `descriptor` is
    readable, and at the end `result` or `abandon`."""

    def __init__(self, command: ChildCommand, reaper: ProcessReaper, died: str, stdin: int | None = None) -> None:
        """`died` is the run's reason when no line comes."""
        self._died = died
        self._stopped_since: Deadline | None = None
        self._received: list[bytes] = []
        self.child, self._lines = start_with_lines(command, reaper, stdin)

    @property
    def descriptor(self) -> int:
        return self._lines.descriptor

    def has_result(self) -> bool:
        """Whether the line, or the end of the process, has come."""
        self._received += self._lines.read()
        return bool(self._received) or self._lines.ended

    def check_alive(self) -> None:
        """Raises RunEnded when a signal has stopped the process and nothing lets it go on: it would never be ready."""
        if not self.child.is_stopped():
            self._stopped_since = None
        elif self._stopped_since is None:
            self._stopped_since = Deadline(STOPPED_S)
        elif self._stopped_since.passed:
            detail = f"{self.child.name} was stopped by a signal before it was ready"
            raise RunEnded(self._died, detail, self.child.log_tail())

    def result(self) -> Any:
        """Its line, parsed. Raises RunEnded, the process killed, when there is none yet."""
        try:
            reported = self._reported()
        except BaseException:
            self.abandon()
            raise
        self._lines.close()
        return reported

    def abandon(self) -> None:
        self.child.kill()
        self._lines.close()

    def _reported(self) -> Any:
        child = self.child
        if not self.has_result():
            detail = f"{child.name} was not ready within {READY_WITHIN_S:.0f} s"
            raise RunEnded(self._died, detail, child.log_tail())
        if not self._received:
            raise RunEnded(self._died, f"before it was ready, {child.exit_summary()}", child.log_tail())
        try:
            return json.loads(self._received[0])
        except ValueError:
            detail = f"{child.name} should have written one line of JSON when it was ready"
            raise RunEnded(self._died, detail) from None


def wait_until_ready(starting: Starting, interrupts: Interrupts) -> Any:
    """Its line, parsed. Raises RunEnded when no line comes in time, or after an interrupt."""
    deadline = Deadline(READY_WITHIN_S)
    try:
        with watching(interrupts) as watch:
            watch.on_readable(starting.descriptor, lambda: None)
            while not (starting.has_result() or deadline.passed):
                interrupts.check()
                starting.check_alive()
                watch.wait(min(deadline.left_s, CHECK_EVERY_S))
    except BaseException:
        starting.abandon()
        raise
    return starting.result()
