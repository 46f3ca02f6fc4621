"""The owner's end of a supervisor: orders in, answers out."""

import contextlib
import json
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from loadtests.environment import child_environment
from loadtests.servers import supervisor
from loadtests.servers.accounts import ServerAccount
from loadtests.servers.contract import ServerUnavailable, SupervisorGone

_ANSWERS_WITHIN_S = 20.0
"""On top of the time that an order may take."""

_STEP_S = 2.0
"""After so long without an answer a supervisor is continued, in case it was stopped (SIGSTOP): its run waited for
ever."""


class SupervisorClient:
    """A supervisor process and the pipe to it. Orders may come from any thread; they queue.

    The supervisor keeps `held`, a descriptor, open for as long as it lives.
    """

    def __init__(self, account: ServerAccount | None, held: int) -> None:
        program = Path(supervisor.__file__).resolve()
        self._turn = threading.Lock()
        self._process = subprocess.Popen(
            # -P -E: neither this directory nor the owner's PYTHON variables decide what it imports.
            [sys.executable, "-P", "-E", str(program), *([str(account.uid), str(account.gid)] if account else [])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd="/",
            env=child_environment({}),
            start_new_session=True,
            pass_fds=(held,),
        )

    def order(self, do: str, **fields: Any) -> dict[str, Any]:
        """The answer to an order. Raises ServerUnavailable when it could not be carried out or the supervisor died."""
        assert self._process.stdin and self._process.stdout
        with self._turn:
            try:
                self._process.stdin.write(json.dumps({"do": do, **fields}) + "\n")
                self._process.stdin.flush()
                line = self._answer(fields.get("timeout_s", 0.0) + _ANSWERS_WITHIN_S)
            except (OSError, ValueError):
                line = ""
        if not line:
            raise SupervisorGone(f"the supervisor of a database server has gone (asked to {do}): its server too")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise ServerUnavailable(f"could not {do}: {answer['error']}")
        return answer

    def _answer(self, within_s: float) -> str:
        """The next line of a supervisor; empty when it has gone, or gave no answer in time and was killed."""
        assert self._process.stdout
        until = time.monotonic() + within_s
        while not select.select([self._process.stdout], [], [], _STEP_S)[0]:
            self._process.send_signal(signal.SIGCONT)
            if time.monotonic() > until:
                self._process.kill()
        return self._process.stdout.readline()

    def can_run(self, program: str, arguments: Sequence[str] = ("--version",)) -> bool:
        """Whether the server's user can run it."""
        try:
            return bool(self.order("run", argv=[program, *arguments], input="", timeout_s=20)["code"] == 0)
        except ServerUnavailable:  # not even found, from where that user stands
            return False

    def own(self, *paths: Path) -> None:
        """Has these removed when the supervisor ends for any reason; the last one first."""
        self.order("own", paths=[str(path) for path in paths])

    def release(self, timeout_s: float = 60) -> bool:
        """Closes the pipe: the supervisor ends the server and removes what it owns. The same happens when we are
        killed.

        False for one that takes longer, as with a server that hangs in the kernel: it continues alone.
        """
        assert self._process.stdin and self._process.stdout
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        until = time.monotonic() + timeout_s
        while not self._ended(_STEP_S):
            self._process.send_signal(signal.SIGCONT)
            if time.monotonic() > until:
                return False
        self._process.stdout.close()
        return True

    def _ended(self, within_s: float) -> bool:
        try:
            self._process.wait(within_s)
        except subprocess.TimeoutExpired:
            return False
        return True
