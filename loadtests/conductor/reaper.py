"""Kills the process groups that a killed harness leaves behind.

The parent-death signal reaches children only, not theirs: Locust's workers run on for 20 s and more after a killed
master. So a small process of its own session holds the other end of a pipe. The harness writes `+GROUP` and `-GROUP`
(process groups) to it; when the pipe closes, because the harness ended however it did, every group still named is
killed. Database servers have supervisors of their own, because they change their user and their groups.
"""

import contextlib
import os
import signal
import subprocess
import sys
from typing import Self

_ENDS_WITHIN_S = 5.0
"""How long it may take to end: it does so in milliseconds, unless it was stopped."""


class ProcessReaper:
    """The harness's end of the pipe. Raises OSError when the reaper cannot be started."""

    def __init__(self) -> None:
        from loadtests.environment import child_environment  # the reaper itself runs without site-packages

        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=child_environment({}),
            start_new_session=True,
        )

    def _send(self, line: str) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(line.encode() + b"\n")
            self._process.stdin.flush()

    def watch_group(self, group: int) -> None:
        self._send(f"+{group}")

    def forget(self, group: int) -> None:
        self._send(f"-{group}")

    def close(self) -> None:
        """Ends the reaper, which kills the groups that are still named. A reaper that does not exit is killed."""
        try:
            with contextlib.suppress(BrokenPipeError):
                self._process.communicate(timeout=_ENDS_WITHIN_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def main() -> None:
    """Reads groups until the pipe closes, then kills those that are left."""
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    named: set[int] = set()
    for line in sys.stdin:
        (named.add if line[0] == "+" else named.discard)(int(line[1:]))
    for group in named:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)


if __name__ == "__main__":
    main()
