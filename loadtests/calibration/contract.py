"""What an engine brings to be calibrated: its plans, tolerances, and a way to hold its locks."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from loadtests import engines
from loadtests.calibration.plan import Form, Lock, PlannedHold, Several, numbered
from loadtests.calibration.sessionholds import HoldServer, Ready, SessionHolds, in_time
from loadtests.calibration.timekeeping import Timekeeper
from loadtests.calibration.truth import CompletedHold, ExpectedWait, ReportedWait, expected

DSNS = "LOADTESTS_DSNS"
HOLDERS_DSNS = "LOADTESTS_HOLDERS_DSNS"
"""Environment variables of the calibration process: JSON objects, database → the observer's DSN, and that of the
sessions that hold locks."""

SCRATCH = "calibrating"
"""A directory in the run directory for as long as a calibration lasts."""

SESSIONS = 8
"""Of one engine at the same time; with the control session fewer than the smallest server takes."""


@dataclass(frozen=True)
class Tolerances:
    """How accurate a source of lock waits must be. Ratios are 0…1, times in ms.

    `from_ms`: shorter waits may be missed, and their errors do not count; None: the source's own threshold.
    `found`, `blocker`, `root`: the least share that must be right; None where the source names no sessions. `total`:
    the greatest error of the waited time, as a share of it. `error_ms`: the greatest error of one wait, in 19 of 20.
    """

    from_ms: float | None
    found: float
    total: float
    error_ms: float
    blocker: float | None = 0.99
    root: float | None = 0.99


@dataclass(frozen=True)
class ServerCounter:
    """The server's own counter of waited (or busy) time, about one kind of lock.

    `per_ms`: its growth for a millisecond. `tolerance`: its greatest error as a share of the truth; a share smaller
    than `resolution_ms`, by which it cuts each wait short, is not required.
    """

    name: str
    per_ms: float
    lock: Lock
    tolerance: float
    resolution_ms: float


@dataclass(frozen=True)
class HoldContext:
    """Where holds are made: the DSN of their sessions, a superuser's DSN, a directory for scratch files, the clock.

    `ready` is awaited before the first hold: the observer may still be starting while sessions are opened.
    """

    dsn: str
    server_dsn: str
    scratch: Path
    clock: Timekeeper
    ready: Ready


Work = tuple[Sequence[CompletedHold], Sequence[ReportedWait]]
"""What was held, and the waits that the waiting side timed itself (none where the observer sees them)."""


@dataclass(frozen=True)
class EngineCalibration:
    """An engine's entry. `tolerances`: by its best source of lock waits.

    `behind_first`: locks for which later waiters queue behind the first waiter, not behind the holder. `connect` raises
    where the database cannot be reached. `as_pod`: the full form observes it by the pod's role as well, which cannot
    read the server's log.
    """

    plans: Mapping[Form, Sequence[Several]]
    hold: Callable[[HoldContext, Sequence[PlannedHold]], Awaitable[Work]]
    tolerances: Mapping[str, Tolerances] = field(default_factory=dict)
    counter: ServerCounter | None = None
    behind_first: Collection[Lock] = frozenset()
    connect: Callable[[str], Awaitable[None]] | None = None
    as_pod: bool = False


def calibration_of(engine: str) -> EngineCalibration:
    """Raises IncompleteError for an engine that cannot be calibrated."""
    return cast(EngineCalibration, engines.load(engine, "calibration"))


def is_calibrated(engine: str, form: Form) -> bool:
    """Whether the engine has locks to hold in this form."""
    return engines.has(engine, "calibration") and form in calibration_of(engine).plans


def plan(engine: str, form: Form) -> list[PlannedHold]:
    """An engine's holds, numbered. Raises KeyError for a form that it has no plan for."""
    return numbered(calibration_of(engine).plans[form])


@dataclass(frozen=True)
class HeldWaits:
    """The waits that took place. `reported` by the waiting side, where no observer can see them. `error_ns`: the
    greatest error of one wait's truth."""

    error_ns: int
    waits: Sequence[ExpectedWait]
    reported: Sequence[ReportedWait] = ()


async def hold(engine: str, context: HoldContext, holds: Sequence[PlannedHold]) -> HeldWaits:
    """Makes the holds. Raises what the driver raises; scratch objects are removed then, too."""
    own, clock = calibration_of(engine), context.clock
    done, reported = await own.hold(context, holds)
    return HeldWaits(clock.error_ns, expected(own.behind_first, done, clock.error_of_ns), reported)


async def hold_by_sessions(server: HoldServer, context: HoldContext, holds: Sequence[PlannedHold]) -> Work:
    """For engines whose sessions hold locks and wait for them in the server."""
    return await SessionHolds(server, context.clock).make(holds, SESSIONS, context.ready), ()


async def connect_once(server: HoldServer) -> None:
    """Raises ServerSilent when the server hangs, and what the driver raises."""
    try:
        async with in_time():
            await server.connect()
    finally:
        await server.close()
