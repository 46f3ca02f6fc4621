"""Who holds the locks of which engine, and what was done."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from loadtests.calibration.holding import Engine, Holding, Ready
from loadtests.calibration.matching import Told
from loadtests.calibration.plan import Hold
from loadtests.calibration.timekeeping import Timekeeper
from loadtests.calibration.truth import Done, Expected, expected

SESSIONS = 8
"""Of one engine at the same time; with the one that looks after them fewer than the smallest server takes."""


@dataclass(frozen=True)
class Ground:
    """Where holds are made: the address of their sessions, a directory for scratch files, the clock.

    `ready` is awaited before the first one: whoever looks may be starting still while sessions are opened.
    """

    dsn: str
    scratch: Path
    clock: Timekeeper
    ready: Ready


@dataclass(frozen=True)
class Made:
    """The waits that there were; `told` by whoever waited, where no observer can see it. `error_ns`: how far the
    truth of one may be off."""

    error_ns: int
    waits: Sequence[Expected]
    told: Sequence[Told] = ()


Work = tuple[Sequence[Done], Sequence[Told]]


async def _postgres(ground: Ground, holds: Sequence[Hold]) -> Work:
    from loadtests.calibration.postgres import PostgresHolds

    return await _sessions(PostgresHolds(ground.dsn), ground, holds)


async def _mariadb(ground: Ground, holds: Sequence[Hold]) -> Work:
    from loadtests.calibration.mariadb import MariadbHolds

    return await _sessions(MariadbHolds(ground.dsn), ground, holds)


async def _sessions(engine: Engine, ground: Ground, holds: Sequence[Hold]) -> Work:
    return await Holding(engine, ground.clock).make(holds, SESSIONS, ground.ready), ()


async def _sqlite(ground: Ground, holds: Sequence[Hold]) -> Work:
    from loadtests.calibration.sqlite import SqliteHolds

    own = SqliteHolds(ground.scratch, ground.clock)
    done = await own.make(holds, ground.ready)
    return done, own.told()


async def _redis(ground: Ground, holds: Sequence[Hold]) -> Work:
    from loadtests.calibration.redis import RedisHolds

    return await RedisHolds(ground.dsn, ground.clock).make(holds, ground.ready), ()


HOLDERS: Mapping[str, Callable[[Ground, Sequence[Hold]], Awaitable[Work]]] = {
    "postgres": _postgres,
    "mariadb": _mariadb,
    "sqlite": _sqlite,
    "redis": _redis,
}
"""Engine → who holds its locks. Of others there are none."""


async def hold(engine: str, ground: Ground, holds: Sequence[Hold]) -> Made:
    """Makes the holds. Raises whatever the driver does; scratch objects are gone then, too."""
    done, told = await HOLDERS[engine](ground, holds)
    clock = ground.clock
    return Made(clock.error_ns, expected(engine, done, clock.error_of_ns), told)
