"""A toy engine with parts of its own: its databases are SQLite files, behind a server that is a file as well."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, ClassVar

from loadtests.calibration.contract import EngineCalibration, HoldContext, Tolerances, Work
from loadtests.calibration.plan import PlannedHold, S
from loadtests.calibration.truth import CompletedHold, LockRequest, ReportedWait
from loadtests.drivers.addresses.contract import AddressError, AddressForm, DatabaseAddress, Place
from loadtests.ledger.sqlite import reading as reading_file
from loadtests.ledger.stored import Read
from loadtests.pod.storage.contract import TransactionSink
from loadtests.pod.storage.sqlite.storage import SqliteStorage
from loadtests.probes.contract import Clock, Database, Rows
from loadtests.servers.binaries import Product, on_path
from loadtests.servers.size import Size

SCHEME = "toy://"


def _path(dsn: str) -> str:
    return dsn.removeprefix(SCHEME)


def _parse(dsn: str) -> DatabaseAddress:
    if not dsn.startswith(SCHEME):
        raise AddressError("its scheme is another one, not toy")
    return DatabaseAddress("toy", (Place(_path(dsn), 1),), "", "", "")


ADDRESS = AddressForm(_parse, "toy://PATH", ca_key="toy_ca")


class ToyStorage(SqliteStorage):
    def __init__(self, choice: str, dsn: str, record: TransactionSink) -> None:
        super().__init__(_path(dsn), record)
        self.name = f"toy:{choice}"

    async def settings(self) -> dict[str, str]:
        return {**await super().settings(), "engine": "toy"}


def create(choice: str, *, dsn: str, record: TransactionSink, pod: str) -> ToyStorage:
    return ToyStorage(choice, dsn, record)


class ToyServer:
    product: ClassVar[Product] = Product(
        name="Toy",
        choice="LOADTESTS_TOY_BIN",
        programs=("true",),
        oldest=(0,),
        places=lambda _: on_path("true"),
        searched="on PATH",
        advice="install a toy",
    )
    own_content: ClassVar[frozenset[str]] = frozenset({"toybox"})
    needs_user_name: ClassVar[bool] = False

    def __init__(self, directory: Path, choices: Sequence[str]) -> None:
        self.directory, self.choices = directory, choices
        self.dsn = self.pod_dsn = f"{SCHEME}{directory / 'toy.sqlite'}"

    @classmethod
    def create(cls, directory: Path, size: Size, choices: Sequence[str]) -> "ToyServer":
        directory.mkdir(exist_ok=True)
        return cls(directory, choices)

    @classmethod
    def files_needed(cls, connections: int) -> int:
        return connections + 7


class ToyProbe:
    period_s, deadline_s = 1.0, 1.0

    def __init__(self, database: Database, dsn: str, clock: Clock) -> None:
        self.name, self.path = database.probe, _path(dsn)

    async def open(self) -> None:
        """Has nothing to connect to."""

    async def sample(self) -> Rows:
        return {}

    async def close(self) -> None:
        """Has nothing to close."""

    def rest(self) -> Rows:
        return {}


@asynccontextmanager
async def reading(dsn: str, silent_since_ns: int) -> AsyncIterator[Read]:
    async with reading_file(_path(dsn), silent_since_ns) as read:
        yield read


async def _hold(context: HoldContext, holds: Sequence[PlannedHold]) -> Work:
    """Reports each wait exactly as it took place."""
    done, reported = [], []
    for hold in holds:
        sent_ns = context.clock.now_ns()
        await asyncio.sleep(hold.seconds)
        answered_ns = context.clock.now_ns()
        done.append(CompletedHold(hold, [0, 1], [LockRequest(1, sent_ns, answered_ns, 0, "acquired")]))
        reported.append(ReportedWait(1, 0, 0, sent_ns, answered_ns, "pod", outcome="acquired"))
    return done, reported


CALIBRATION = EngineCalibration(
    plans={"short": (S(4, "row", 0.01),)},
    hold=_hold,
    tolerances={"pod": Tolerances(from_ms=1, found=1, total=0.01, error_ms=1)},
)


class ToySession:
    def __init__(self, dsn: str) -> None:
        self.dsn = dsn

    async def execute(self, statements: str) -> None:
        Path(f"{_path(self.dsn)}.maintained").write_text(statements)  # noqa: ASYNC240


@asynccontextmanager
async def connected(dsn: str) -> AsyncIterator[Any]:
    yield ToySession(dsn)
