"""Who holds the locks of which engine, and what was done."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from loadtests.calibration.holding import Engine, Holding, Ready, in_time
from loadtests.calibration.matching import Told
from loadtests.calibration.plan import Hold
from loadtests.calibration.timekeeping import Timekeeper
from loadtests.calibration.truth import Done, Expected, expected

SESSIONS = 8
"""Of one engine at the same time; with the one that looks after them fewer than the smallest server takes."""


@dataclass(frozen=True)
class Ground:
    """Where holds are made: the address of their sessions, a superuser's, a directory for scratch files, the clock.

    `ready` is awaited before the first one: whoever looks may be starting still while sessions are opened.
    """

    dsn: str
    server_dsn: str
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


def _postgres(dsn: str, server_dsn: str) -> Engine:
    from loadtests.calibration.postgres import PostgresHolds

    return PostgresHolds(dsn, server_dsn)


def _mariadb(dsn: str, _server_dsn: str) -> Engine:
    from loadtests.calibration.mariadb import MariadbHolds

    return MariadbHolds(dsn)


ENGINES: Mapping[str, Callable[[str, str], Engine]] = {"postgres": _postgres, "mariadb": _mariadb}
"""Those whose sessions hold locks and wait for them, by the sessions' address and a superuser's."""


async def ask(engine: str, dsn: str) -> None:
    """Raises Silent when a server of ENGINES hangs, and whatever the driver does."""
    asked = ENGINES[engine](dsn, "")
    try:
        async with in_time():
            await asked.connect()
    finally:
        await asked.close()


async def _sqlite(ground: Ground, holds: Sequence[Hold]) -> Work:
    from loadtests.calibration.sqlite import SqliteHolds

    own = SqliteHolds(ground.scratch, ground.clock)
    done = await own.make(holds, ground.ready)
    return done, own.told()


async def _redis(ground: Ground, holds: Sequence[Hold]) -> Work:
    from loadtests.calibration.redis import RedisHolds

    return await RedisHolds(ground.dsn, ground.clock).make(holds, ground.ready), ()


OTHERS: Mapping[str, Callable[[Ground, Sequence[Hold]], Awaitable[Work]]] = {"sqlite": _sqlite, "redis": _redis}
"""Who holds the locks of engines without sessions that wait in the server."""


async def hold(engine: str, ground: Ground, holds: Sequence[Hold]) -> Made:
    """Makes the holds. Raises whatever the driver does; scratch objects are gone then, too."""
    done, told = await _work(engine, ground, holds)
    clock = ground.clock
    return Made(clock.error_ns, expected(engine, done, clock.error_of_ns), told)


async def _work(engine: str, ground: Ground, holds: Sequence[Hold]) -> Work:
    if engine in ENGINES:
        server = ENGINES[engine](ground.dsn, ground.server_dsn)
        return await Holding(server, ground.clock).make(holds, SESSIONS, ground.ready), ()
    return await OTHERS[engine](ground, holds)
