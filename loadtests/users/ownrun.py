"""A run that the master asks for itself: Locust's own command or its web UI, with a conductor for each test."""

import os
import sys
from collections.abc import Callable
from typing import Any

import gevent
import gevent.os
import orjson
from gevent import subprocess

from loadtests.scenario import RunPlan
from loadtests.users.livelines import LiveLines
from loadtests.users.prepared import CannotRunError, Prepared

READY_S = 180.0
"""How long a conductor may take to have servers and pods ready."""

FINISH_S = 180.0
"""How long it may take afterwards, to read the ledger and take everything down."""


def conductor_arguments(options: Any) -> list[str]:
    """What was asked for on Locust's command line, or in its start form, as the conductor's arguments."""
    chosen = [("--scenario", options.scenario), ("--runs", options.runs_dir)]
    if options.target:
        chosen += [("--target", options.target), ("--label", options.label), ("--i-own", options.i_own)]
        chosen.append(("--database", options.database))
    else:
        chosen.append(("--storage", options.storage))
    # One word each, so that a value that begins with a dash stays a value.
    return [f"{name}={value}" for name, value in chosen if value]


class OwnConductor:
    """Starts a conductor for each test. `gone` is called when one ends in mid-run."""

    def __init__(self, options: Any, gone: Callable[[], None]) -> None:
        self._options = options
        self._gone = gone
        self._said = ""

    def prepare(self) -> Prepared:
        """Raises CannotRunError with the conductor's own words and exit code when it cannot."""
        ready_end, ready_write = os.pipe()
        stdin_read, lines_end = os.pipe()
        try:
            child = self._start(ready_write, stdin_read)
        except OSError as error:
            os.close(ready_end)
            os.close(lines_end)
            raise CannotRunError(70, f"the conductor does not start: {error}") from None
        finally:
            os.close(ready_write)
            os.close(stdin_read)
        try:
            ready = self._await_ready(child, ready_end)
            plan, secret = RunPlan.from_json(orjson.dumps(ready["plan"]).decode()), str(ready["secret"])
        except BaseException:
            os.close(lines_end)  # the end of its input tells the conductor to finish
            os.close(ready_end)
            raise
        gevent.spawn(self._heed, ready_end)
        return Prepared(plan, secret, LiveLines(lines_end, self._gone), lambda: self._finish(child))

    def _start(self, ready_fd: int, stdin: int) -> subprocess.Popen:
        argv = [sys.executable, "-m", "loadtests.conductor", *conductor_arguments(self._options)]
        argv.append(f"--ready-fd={ready_fd}")
        child = subprocess.Popen(argv, stdin=stdin, stderr=subprocess.PIPE, pass_fds=[ready_fd])
        self._said = ""
        gevent.spawn(self._relay, child.stderr)
        return child

    def _relay(self, stderr: Any) -> None:
        """Passes on what the conductor says, and keeps its last line for people who look at the web UI."""
        for line in stderr:
            text = line.decode(errors="replace")
            self._said = text.strip() or self._said
            sys.stderr.write(text)
            sys.stderr.flush()

    def _await_ready(self, child: subprocess.Popen, descriptor: int) -> dict[str, Any]:
        gevent.os.make_nonblocking(descriptor)
        line = b""
        with gevent.Timeout(READY_S, False):
            while not line.endswith(b"\n") and (read := gevent.os.nb_read(descriptor, 65536)):
                line += read
        if line.endswith(b"\n"):
            ready: dict[str, Any] = orjson.loads(line)
            return ready
        code = child.poll() if child.poll() is not None else self._give_up(child)
        raise CannotRunError(code or 70, self._said or f"the conductor ended with exit code {code}")

    def _heed(self, descriptor: int) -> None:
        """Ends the run when the conductor says so, because its pod has died, say; until it closes the descriptor."""
        try:
            while said := gevent.os.nb_read(descriptor, 65536):
                if b'"stop"' in said:
                    self._gone()
        finally:
            os.close(descriptor)

    def _give_up(self, child: subprocess.Popen) -> int:
        """Ends a conductor that did not get ready; one that closed the descriptor is about to end by itself."""
        try:
            return int(child.wait(timeout=5.0))
        except subprocess.TimeoutExpired:
            child.terminate()
            self._said = f"the conductor was not ready within {READY_S:g} s"
            return 69

    def _finish(self, child: subprocess.Popen) -> int:
        try:
            code = int(child.wait(timeout=FINISH_S))
        except subprocess.TimeoutExpired:
            child.kill()
            return 70
        return code if code >= 0 else 70  # it was killed
