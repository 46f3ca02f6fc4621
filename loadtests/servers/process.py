"""The process of a private server under its supervisor: started, stopped, paused, and what it logs."""

import secrets
import signal
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import psutil

from loadtests.servers.binaries import Binaries, Product
from loadtests.servers.contract import ServerUnavailable, SupervisorGone
from loadtests.servers.home import Home
from loadtests.servers.record import Record
from loadtests.servers.supervision import SupervisorClient

OWNER = "loadtests"
"""The superuser: observer and ledger."""

POD = "pod"
"""The ordinary role that the pod connects as, and its database."""

START_S = 60.0
"""How long a start may take, the recovery after a kill included."""

STOPPED_S = 5.0
"""How long a server that is to get ready may be stopped by a signal, such as SIGSTOP: nothing lets it go on."""

STOP_S = 30.0
PAUSE_S = 10.0


@dataclass(frozen=True)
class ServerParts:
    """What a server stands on."""

    home: Home
    binaries: Binaries
    supervisor: SupervisorClient
    record: Record
    choices: Sequence[str]


class ServerProcess(ABC):
    """One server of a product, of which an engine gives the command."""

    product: ClassVar[Product]
    stop_signal: ClassVar[int] = signal.SIGTERM
    """The signal that ends it in order."""

    quit_signal: ClassVar[int] = signal.SIGKILL
    """The signal that ends it at once, when its files are removed anyway."""

    def __init__(self, parts: ServerParts) -> None:
        self._parts = parts
        self._home, self._binaries, self._supervisor = parts.home, parts.binaries, parts.supervisor
        self._port = self._reserve_port()
        self._passwords = {OWNER: secrets.token_urlsafe(24), POD: secrets.token_urlsafe(24)}
        self._pid: int | None = None
        self._paused = False

    @abstractmethod
    def _argv(self) -> list[str]:
        """The server's command, started in its directory: the path of that may have characters that a configuration
        cannot express, so the command and its files name what is in it relatively."""

    @abstractmethod
    def _ready(self) -> bool:
        """Whether the running server serves connections."""

    def _lock_file(self) -> str | None:
        return None

    @property
    def pid(self) -> int:
        if self._pid is None:
            raise ServerUnavailable(f"the {self.product.name} server is not running")
        return self._pid

    @property
    def version(self) -> str:
        return self._binaries.version

    @property
    def running(self) -> bool:
        with suppress(SupervisorGone):  # which ends its server
            return self._pid is not None and self._supervisor.order("status")["code"] is None
        return False

    @property
    def directory(self) -> Path:
        """Where it really lives: `data` and `log` are in it."""
        return self._home.directory

    def _launch(self) -> None:
        """Returns when connections are served. Raises ServerUnavailable with the end of the server's log."""
        log = str(self._home.log / "start.log")
        order = {"argv": self._argv(), "log": log, "quit_signal": self.quit_signal, "lock_file": self._lock_file()}
        self._pid = self._supervisor.order("start", directory=str(self.directory), **order)["pid"]
        self._parts.record.started(self.pid)
        try:
            self._wait_until_ready()
        except ServerUnavailable:
            self.kill()
            raise

    def _wait_until_ready(self) -> None:
        began = moving = time.monotonic()
        while not self._ready():
            now = time.monotonic()
            moving = moving if self._is_stopped() else now
            if not self.running:
                why = "ended"
            elif now > moving + STOPPED_S:
                why = "was stopped by a signal before it was ready"
            else:
                why = f"was not ready after {START_S:.0f} s" if now > began + START_S else ""
            if why:
                self.kill()  # so that all that it logs is there
                raise ServerUnavailable(f"{self._title()} {why}{self._home.explained(self._home.logged())}")
            time.sleep(0.02)

    def _is_stopped(self) -> bool:
        with suppress(psutil.Error):
            return bool(psutil.Process(self.pid).status() == psutil.STATUS_STOPPED)
        return False

    def stop(self) -> None:
        self.resume()
        gone = self._supervisor.order("end", signal=self.stop_signal, timeout_s=STOP_S)["gone"]
        if not gone:
            self.kill()
            raise ServerUnavailable(f"{self._title()} did not stop within {STOP_S:.0f} s and was killed")
        self._pid = None

    def kill(self) -> None:
        self._supervisor.order("end", signal=None, timeout_s=STOP_S)
        self._pid, self._paused = None, False

    def pause(self) -> None:
        if not self.running:
            raise ServerUnavailable(f"the {self.product.name} server cannot be paused: it is not running")
        self._paused = True
        if not self._supervisor.order("pause", timeout_s=PAUSE_S)["paused"]:
            self.resume()
            raise ServerUnavailable(f"{self._title()} could not be paused within {PAUSE_S:.0f} s and was resumed")

    def resume(self) -> None:
        self._supervisor.order("resume")
        self._paused = False

    def log_tail(self) -> str:
        """The last lines of its log; also the one that it could not write, because the disk is full."""
        return self._home.logged() + (f"\n  ({why})" if (why := self._home.full_disk()) else "")

    def _title(self) -> str:
        return f"{self.product.name} {self.version} on port {self._port}"

    def _reserve_port(self) -> int:
        """One on loopback that stays ours, also while the server is down."""
        port: int = self._supervisor.order("port")["port"]
        return port

    def _run(self, argv: list[str], given: str = "", failed: str | None = None, advice: str | None = None) -> None:
        """Runs a program as the server's user, in its directory. `failed` in its output means that it failed whichever
        its exit code; `advice` is where its output changes to advice, which is not shown."""
        result = self._supervisor.order("run", argv=argv, directory=str(self.directory), input=given, timeout_s=START_S)
        output: str = result["output"]
        if result["code"] != 0 or (failed and failed in output):
            for password in self._passwords.values():
                output = output.replace(password, "…")
            name = f"{Path(argv[0]).name} {self.version} failed ({result['code']})"
            raise ServerUnavailable(f"{name}{self._home.explained(output.partition(advice)[0] if advice else output)}")
