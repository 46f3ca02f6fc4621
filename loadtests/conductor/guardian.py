"""Kills what a harness leaves behind when it is killed itself.

The parent-death signal reaches children only, not theirs, and is cleared when a server changes its user. So a small
process of its own session holds the other end of a pipe. The harness writes `+GROUP`, `-GROUP` (process groups) and
`!PID` (a PostgreSQL server, whose backends are groups of their own and end at once when it gets SIGQUIT) to it; when the
pipe closes, because the harness ended however it did, everything still named is killed.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from typing import Self


class Guardian:
    """The harness's end of the pipe. Raises OSError when the guardian cannot be started."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def _tell(self, line: str) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(line.encode() + b"\n")
            self._process.stdin.flush()

    def watch_group(self, group: int) -> None:
        self._tell(f"+{group}")

    def watch_server(self, pid: int) -> None:
        self._tell(f"!{pid}")

    def forget(self, number: int) -> None:
        self._tell(f"-{number}")

    def close(self) -> None:
        """Ends the guardian; whatever is still named to it is killed."""
        with contextlib.suppress(BrokenPipeError):
            self._process.communicate(timeout=10)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _kill(number: int, group: bool) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(number, signal.SIGKILL) if group else os.kill(number, signal.SIGKILL)


def main() -> None:
    """Reads names until the pipe closes, then kills what is left."""
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    named: dict[int, bool] = {}
    for line in sys.stdin:
        if line[0] == "-":
            named.pop(int(line[1:]), None)
        else:
            named[int(line[1:])] = line[0] == "+"
    servers = [number for number, group in named.items() if not group]
    for number in servers:
        with contextlib.suppress(ProcessLookupError):
            os.kill(number, signal.SIGQUIT)
    for number in named.keys() - servers:
        _kill(number, group=True)
    if servers:
        time.sleep(0.5)
    for number in servers:
        _kill(number, group=False)


if __name__ == "__main__":
    main()
