"""The owner's end of a guardian: orders in, answers out."""

import contextlib
import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from loadtests.environment import child_environment
from loadtests.servers import guardian
from loadtests.servers.accounts import Account
from loadtests.servers.errors import ServerUnavailable


class Guard:
    """A guardian process and the pipe it hangs on. Orders may come from any thread; they queue.

    The guardian keeps `held`, a descriptor, open for as long as it lives.
    """

    def __init__(self, account: Account | None, held: int) -> None:
        program = Path(guardian.__file__).resolve()
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
        """The answer to an order. Raises ServerUnavailable when it could not be carried out or the guardian died."""
        assert self._process.stdin and self._process.stdout
        with self._turn:
            try:
                self._process.stdin.write(json.dumps({"do": do, **fields}) + "\n")
                self._process.stdin.flush()
                line = self._process.stdout.readline()
            except (OSError, ValueError):
                line = ""
        if not line:
            raise ServerUnavailable(f"the guardian of a database server has gone (asked to {do}): its server too")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise ServerUnavailable(f"could not {do}: {answer['error']}")
        return answer

    def own(self, *paths: Path) -> None:
        """Has these removed at the end, whatever end that is; the last one first."""
        self.order("own", paths=[str(path) for path in paths])

    def release(self, timeout_s: float = 60) -> bool:
        """Lets go: the guardian ends the server and removes what it owns. The same happens when we are killed.

        False for one that takes longer, with a server that hangs in the kernel, say: it goes on alone.
        """
        assert self._process.stdin and self._process.stdout
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return False
        self._process.stdout.close()
        return True
