"""A pod put together: storage, service, server, control endpoint, upkeep; started and stopped in order."""

import asyncio
import dataclasses
import json
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loadtests import storagenames
from loadtests.accounts import Mode
from loadtests.drivers.addresses.contract import Place
from loadtests.pod.control import ControlServer, Route, Routes
from loadtests.pod.faults.contract import load_fault
from loadtests.pod.limits import Limits
from loadtests.pod.operating import CHANGE_WITHIN_S, Operating
from loadtests.pod.server import PodServer
from loadtests.pod.service import Service
from loadtests.pod.storage.contract import Storage, Transaction
from loadtests.pod.storage.dual.storage import DualStorage
from loadtests.pod.storage.factory import create_storage
from loadtests.pod.transactions import TransactionsTable
from loadtests.protocols import DEFAULT_PROTOCOL, ChosenProtocol, parse_protocol

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Settings:
    """What a pod is started with. `host` and `port` are the clients'; the control endpoint is on loopback. `starts_on`
    is for a dual storage."""

    storage: str
    name: str
    host: str = "127.0.0.1"
    port: int = 0
    control_port: int = 0
    run_directory: Path | None = None
    origin_ns: int = 0
    limits: Limits = dataclasses.field(default_factory=Limits)
    starts_on: Mode = "dual"
    protocol: ChosenProtocol = dataclasses.field(default_factory=lambda: parse_protocol(DEFAULT_PROTOCOL))
    faults: tuple[str, ...] = ()
    """Names in the table of faults."""


@dataclass(frozen=True)
class Secrets:
    """What never goes into arguments, files or logs. `dsns`: by database, as `storagenames.databases` names them."""

    token_secret: str = dataclasses.field(repr=False)
    control_token: str = dataclasses.field(repr=False)
    dsns: Mapping[str, str] = dataclasses.field(default_factory=dict, repr=False)


def _ignore(_: Transaction) -> None:
    """Discards a row: no table is written."""


class PodApplication:
    """A running pod."""

    def __init__(self, settings: Settings, secrets: Secrets) -> None:
        """Raises StorageNameError, FaultNameError; OSError when the table of transactions cannot be made."""
        self._settings, self._secrets = settings, secrets
        self.transactions: TransactionsTable | None = None
        if settings.run_directory is not None:
            self.transactions = TransactionsTable(settings.run_directory, settings.name, settings.origin_ns)
        record = self.transactions.record if self.transactions else _ignore
        self.storage: Storage = create_storage(
            settings.storage, secrets.dsns, record, settings.name, settings.starts_on
        )
        protocol = settings.protocol.spec
        assert protocol.server is not None, "check_server_half comes first"
        self.service = Service(self.storage, secrets.token_secret, settings.limits, protocol.server())
        self.server = PodServer(self.service, settings.limits, protocol.subprotocols)
        self.url = self.control_url = ""
        self._control: ControlServer | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self.preparations: list[Callable[[], Awaitable[None]]] = []
        self.jobs: list[Callable[[], Coroutine[Any, Any, None]]] = []
        for fault in settings.faults:
            load_fault(fault).install(self)

    async def start(self) -> None:
        """Raises StorageUnavailable, and OSError when a port is taken."""
        await self.storage.start()
        for prepare in self.preparations:
            await prepare()
        port = await self.server.start(self._settings.host, self._settings.port)
        self.url = f"ws://{Place(self._settings.host, port)}"
        self._control = ControlServer(self._settings.control_port, self._secrets.control_token, self.routes())
        self.control_url = self._control.url
        limits = self._settings.limits
        upkeep = [_repeat(limits.touch_every_s, self.service.touch), _repeat(limits.reap_every_s, self._reap)]
        if self.transactions:
            upkeep.append(self.transactions.run())
        upkeep += [job() for job in self.jobs]
        self._tasks = [asyncio.create_task(job) for job in upkeep]
        _log.info("started", extra={"pod": self._settings.name, "storage": self._settings.storage, "url": self.url})

    async def _reap(self) -> None:
        if reaped := await self.service.reap():
            _log.info("reaped", extra={"connections": reaped})

    @property
    def faults(self) -> tuple[str, ...]:
        return self._settings.faults

    def routes(self) -> Routes:
        """What the control endpoint serves."""
        operating = Operating(self.service, storagenames.parse(self._settings.storage).engine)
        return {
            ("GET", "/health"): Route(self.health),
            ("GET", "/statistics"): Route(self.statistics),
            ("POST", "/storage"): Route(operating.move, CHANGE_WITHIN_S),
            ("POST", "/locking"): Route(operating.switch_locking, CHANGE_WITHIN_S),
            ("POST", "/schema"): Route(operating.prepare, CHANGE_WITHIN_S),
            ("POST", "/sweep"): Route(operating.sweep, CHANGE_WITHIN_S),
        }

    async def health(self, _: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"status": "draining" if self.service.draining else "ok", "pod": self._settings.name}

    async def statistics(self, _: Mapping[str, Any]) -> Mapping[str, Any]:
        """What the storage holds and what the service has done. Raises StorageError."""
        silent_since_ns = time.time_ns() - int(self._settings.limits.silent_s * 1e9)
        storage = await self.storage.statistics(silent_since_ns)
        dual = {"dual": self.storage.progress()} if isinstance(self.storage, DualStorage) else {}
        return {"storage": dataclasses.asdict(storage), "service": self.counters(), **dual}

    def counters(self) -> Mapping[str, Any]:
        return {
            "websockets": self.server.websockets,
            "connections": len(self.service.sessions),
            "topics": len(self.service.topics),
            "requests": dict(self.server.requests),
            "frames_sent": self.server.frames_out,
            "slow_consumers": self.server.slow_consumers,
            "reaped": self.service.reaped,
            "local_errors": dict(self.server.local_errors.total),
            "gaps_filled": self.service.topics.filled,
            "transactions_lost": self.transactions.lost if self.transactions else 0,
        }

    async def stop(self) -> None:
        """Drains and stops, in bounded time. Connections stay in the storage, to be resumed."""
        finished = await self.server.drain()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        try:
            async with asyncio.timeout(self._settings.limits.drain_within_s):
                await self.service.touch_all()
                await self.storage.stop()
        except Exception as error:
            _log.warning("storage_not_stopped", extra={"error": type(error).__name__})
        self.close()
        self.server.local_errors.flush()
        _log.info("stopped", extra={"finished": finished, **self.counters()})

    def close(self) -> None:
        """Ends the control endpoint and the table of transactions."""
        if self._control is not None:
            self._control.stop()
            self._control = None
        if self.transactions is not None:
            self.transactions.close()


async def _repeat(every_s: float, job: Callable[[], Awaitable[None]]) -> None:
    while True:
        await asyncio.sleep(every_s)
        try:
            await job()
        except Exception as error:  # upkeep that ended would leave what is silent for ever
            _log.warning("upkeep_failed", extra={"error": type(error).__name__})


_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "websocket", "taskName"}


class JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
        }
        line.update((name, value) for name, value in vars(record).items() if name not in _STANDARD)
        if record.exc_info and record.exc_info[0]:
            # The kind only: an exception's message may quote a frame.
            line["exception"] = record.exc_info[0].__name__
        return json.dumps(line, default=str)


def set_up_log() -> None:
    """Log one JSON object a line to standard error: never a token, never the text of a message."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.getLogger("websockets").setLevel(logging.WARNING)
