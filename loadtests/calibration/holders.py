"""Who holds the locks of which engine, and what was done."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from loadtests.calibration.holding import Holding
from loadtests.calibration.matching import Told
from loadtests.calibration.plan import Hold
from loadtests.calibration.timekeeping import Timekeeper
from loadtests.calibration.truth import Done, Expected, expected

SESSIONS = 8
"""Of one engine at the same time; with the one that looks after them fewer than the smallest server takes."""


@dataclass(frozen=True)
class Ground:
    """Where holds are made: the address of their sessions, a directory for scratch files, the clock."""

    dsn: str
    scratch: Path
    clock: Timekeeper


@dataclass(frozen=True)
class Made:
    """What was done, between two moments; `told` by whoever waited, where no observer can see it."""

    begun_ns: int
    ended_ns: int
    error_ns: int
    waits: Sequence[Expected]
    told: Sequence[Told] = ()


Work = tuple[Sequence[Done], Sequence[Told]]


async def _postgres(ground: Ground, holds: Sequence[Hold]) -> Work:
    from loadtests.calibration.postgres import PostgresHolds

    return await Holding(PostgresHolds(ground.dsn), ground.clock).make(holds, SESSIONS), ()


async def _mariadb(ground: Ground, holds: Sequence[Hold]) -> Work:
    from loadtests.calibration.mariadb import MariadbHolds

    return await Holding(MariadbHolds(ground.dsn), ground.clock).make(holds, SESSIONS), ()


async def _sqlite(ground: Ground, holds: Sequence[Hold]) -> Work:
    from loadtests.calibration.sqlite import SqliteHolds

    own = SqliteHolds(ground.scratch, ground.clock)
    done = await own.make(holds)
    return done, own.told()


async def _redis(ground: Ground, holds: Sequence[Hold]) -> Work:
    from loadtests.calibration.redis import RedisHolds

    return await RedisHolds(ground.dsn, ground.clock).make(holds), ()


HOLDERS: Mapping[str, Callable[[Ground, Sequence[Hold]], Awaitable[Work]]] = {
    "postgres": _postgres,
    "mariadb": _mariadb,
    "sqlite": _sqlite,
    "redis": _redis,
}
"""Engine → who holds its locks. Of others there are none."""


async def hold(engine: str, ground: Ground, holds: Sequence[Hold]) -> Made:
    """Makes the holds. Raises whatever the driver does; scratch objects are gone then, too."""
    begun_ns = ground.clock.now_ns()
    done, told = await HOLDERS[engine](ground, holds)
    return Made(begun_ns, ground.clock.now_ns(), ground.clock.error_ns, expected(engine, done), told)
