"""One calibration: the observer is started, locks are held, and what it told is compared with what there was."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from loadtests.calibration.figures import Figure
from loadtests.calibration.holders import ENGINES, Ground, Made, ask, hold
from loadtests.calibration.holding import Ready, Silent
from loadtests.calibration.judging import Look, judged, undone
from loadtests.calibration.observer import Observed, ObserverFailed, observing
from loadtests.calibration.outcome import verdict
from loadtests.calibration.plan import Form, plan
from loadtests.calibration.timekeeping import Timekeeper

OWN_TIMING = frozenset({"sqlite"})
"""Engines whose waits the pod times itself: no observer looks into them."""

_COUNTED_EVERY_S = 1.0
_LAST_LOOKS = 1.6
"""So many periods after the last wait every look has seen that it is over."""


@dataclass(frozen=True)
class Database:
    """A database of the run: its name, its engine, the observer's way to it, and that of the sessions that hold."""

    name: str
    engine: str
    dsn: str
    holders_dsn: str

    def looks(self, form: Form) -> dict[Look, str]:
        """How the observer looks into it → by which address. In the full form also as one who may not read the
        server's log: as the pod."""
        looks = {Look(self.name, self.engine, form): self.dsn}
        if form == "full" and self.engine == "postgres":
            looks[Look(f"{self.name}, ordinary role", self.engine, form)] = self.holders_dsn
        return looks


class Calibration:
    """The databases of one run, all at the same time. `scratch` is a directory of its own."""

    def __init__(self, databases: Sequence[Database], form: Form, scratch: Path, say: Callable[[str], None]) -> None:
        self._form, self._scratch, self._say = form, scratch, say
        self._origin_ns = time.monotonic_ns()
        self._own = [database for database in databases if database.engine in OWN_TIMING]
        self._seen = [database for database in databases if database.engine not in OWN_TIMING]

    async def make(self) -> list[Figure]:
        """What was found; what could not be done is told as unknown.

        A short form that is unknown because the host had no time for the truth is made once more.
        """
        gone = await self._leave_out_who_is_gone()
        found = await self._make(self._directory("first"))
        if self._form == "short" and verdict(found) == "unknown" and any(f.value is not None for f in found):
            self._say("the host was too busy to tell: once more")
            found = await self._make(self._directory("second"))
        return [*gone, *found]

    async def _leave_out_who_is_gone(self) -> list[Figure]:
        """Nobody looks into a database that does not answer, and the others are calibrated without it."""
        reasons = await asyncio.gather(*(_why_not(database) for database in self._seen))
        gone = {database: why for database, why in zip(self._seen, reasons, strict=True) if why}
        self._seen = [database for database in self._seen if database not in gone]
        return [undone(look, why) for database, why in gone.items() for look in database.looks(self._form)]

    def _directory(self, attempt: str) -> Path:
        directory = self._scratch / attempt
        directory.mkdir()
        return directory

    async def _make(self, scratch: Path) -> list[Figure]:
        found = await self._observed(scratch) if self._seen else []
        for database in self._own:
            made, (look,) = await self._hold(database, scratch, _at_once), database.looks(self._form)
            found += [undone(look, made)] if isinstance(made, str) else judged(look, made, None)
        return found

    async def _observed(self, scratch: Path) -> list[Figure]:
        looks = {look: (database, dsn) for database in self._seen for look, dsn in database.looks(self._form).items()}
        addresses = {look.database: (look.engine, dsn) for look, (_, dsn) in looks.items()}
        try:
            async with observing(addresses, scratch, self._origin_ns) as observed:
                holding = [self._hold(database, scratch, self._ready(observed)) for database in self._seen]
                made = dict(zip(self._seen, await asyncio.gather(*holding), strict=True))
                await asyncio.sleep(self._settling_s(observed))
                observed.until_ns = time.monotonic_ns() - self._origin_ns
        except ObserverFailed as error:
            return [undone(look, str(error)) for look in looks]
        found: list[Figure] = []
        for look, (database, _) in looks.items():
            what = made[database]
            found += [undone(look, what)] if isinstance(what, str) else judged(look, what, observed)
        return found

    def _ready(self, observed: Observed) -> Ready:
        """In the full form counters are read once more before the first hold."""

        async def ready() -> None:
            await observed.ready()
            await asyncio.sleep(self._counting_s)

        return ready

    def _settling_s(self, observed: Observed) -> float:
        """Until whatever there was has been looked at for the last time, in the full form by counters as well."""
        return max(_LAST_LOOKS * observed.longest_period_s, self._counting_s)

    @property
    def _counting_s(self) -> float:
        return 1.2 * _COUNTED_EVERY_S if self._form == "full" else 0.0

    async def _hold(self, database: Database, scratch: Path, ready: Ready) -> Made | str:
        """What was done, or why nothing could be."""
        holds = plan(database.engine, self._form)
        self._say(f"{database.name}: holding {len(holds)} locks")
        try:
            clock = Timekeeper(self._origin_ns)
            ground = Ground(database.holders_dsn, database.dsn, scratch, clock, ready)
            return await hold(database.engine, ground, holds)
        except Exception as error:
            return _first(error)


async def _why_not(database: Database) -> str:
    """Why there is nothing to hold there; empty where there is."""
    if database.engine not in ENGINES:
        return ""
    try:
        await ask(database.engine, database.holders_dsn)
    except Exception as error:
        return _first(error)
    return ""


async def _at_once() -> None:
    """Nobody else looks."""


def _first(error: BaseException) -> str:
    """The first cause, in one line."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, Silent | ObserverFailed):  # whose words are our own
        return str(error)
    return f"{type(error).__name__}: {error}".splitlines()[0]
