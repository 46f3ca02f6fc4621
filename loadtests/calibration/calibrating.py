"""One calibration: starts an observer, holds locks, and compares what it reported with what took place."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from loadtests.calibration.contract import HeldWaits, HoldContext, calibration_of, hold, plan
from loadtests.calibration.figures import Figure, verdict
from loadtests.calibration.judging import DatabaseView, judge, not_calibrated
from loadtests.calibration.observer import Observed, ObserverFailed, observing
from loadtests.calibration.plan import Form
from loadtests.calibration.sessionholds import Ready, ServerSilent
from loadtests.calibration.timekeeping import Timekeeper
from loadtests.engines import has

_COUNTED_EVERY_S = 1.0
_LAST_SAMPLES = 1.6
"""Periods after the last wait by which every sampler has seen its end."""


@dataclass(frozen=True)
class CalibrationTarget:
    """A database of the run: its name, its engine, the observer's DSN, and that of the sessions that hold locks."""

    name: str
    engine: str
    dsn: str
    holders_dsn: str

    @property
    def timed_by_pod(self) -> bool:
        """Whether no observer can see its lock waits."""
        return not has(self.engine, "probe")

    def views(self, form: Form) -> dict[DatabaseView, str]:
        """How the observer sees it → the DSN for that."""
        views = {DatabaseView(self.name, self.engine, form): self.dsn}
        if form == "full" and calibration_of(self.engine).as_pod:
            views[DatabaseView(f"{self.name}, ordinary role", self.engine, form)] = self.holders_dsn
        return views


class Calibration:
    """Calibrates the databases of one run, all at the same time. `scratch` is a directory for it alone."""

    def __init__(
        self, databases: Sequence[CalibrationTarget], form: Form, scratch: Path, progress: Callable[[str], None]
    ) -> None:
        self._form, self._scratch, self._progress = form, scratch, progress
        self._origin_ns = time.monotonic_ns()
        self._timed_by_pod = [database for database in databases if database.timed_by_pod]
        self._observed = [database for database in databases if not database.timed_by_pod]

    async def make(self) -> list[Figure]:
        """The figures; those that could not be measured are `unknown`.

        A short form that is unknown because the host was too busy is repeated once.
        """
        gone = await self._leave_out_unreachable()
        found = await self._make(self._directory("first"))
        if self._form == "short" and verdict(found) == "unknown" and any(f.value is not None for f in found):
            self._progress("the host was too busy for a verdict: calibrating again")
            found = await self._make(self._directory("second"))
        return [*gone, *found]

    async def _leave_out_unreachable(self) -> list[Figure]:
        """Removes databases that do not answer; the others are calibrated."""
        reasons = await asyncio.gather(*(_why_unreachable(database) for database in self._observed))
        gone = {database: why for database, why in zip(self._observed, reasons, strict=True) if why}
        self._observed = [database for database in self._observed if database not in gone]
        return [not_calibrated(view, why) for database, why in gone.items() for view in database.views(self._form)]

    def _directory(self, attempt: str) -> Path:
        directory = self._scratch / attempt
        directory.mkdir()
        return directory

    async def _make(self, scratch: Path) -> list[Figure]:
        found = await self._observe(scratch) if self._observed else []
        for database in self._timed_by_pod:
            held, (view,) = await self._hold(database, scratch, _at_once), database.views(self._form)
            found += [not_calibrated(view, held)] if isinstance(held, str) else judge(view, held, None)
        return found

    async def _observe(self, scratch: Path) -> list[Figure]:
        views = {
            view: (database, dsn) for database in self._observed for view, dsn in database.views(self._form).items()
        }
        addresses = {view.database: (view.engine, dsn) for view, (_, dsn) in views.items()}
        try:
            async with observing(addresses, scratch, self._origin_ns) as observed:
                holding = [self._hold(database, scratch, self._ready(observed)) for database in self._observed]
                made = dict(zip(self._observed, await asyncio.gather(*holding), strict=True))
                await asyncio.sleep(self._settling_s(observed))
                observed.until_ns = time.monotonic_ns() - self._origin_ns
        except ObserverFailed as error:
            return [not_calibrated(view, str(error)) for view in views]
        found: list[Figure] = []
        for view, (database, _) in views.items():
            held = made[database]
            found += [not_calibrated(view, held)] if isinstance(held, str) else judge(view, held, observed)
        return found

    def _ready(self, observed: Observed) -> Ready:
        """In the full form the counters are read once more before the first hold."""

        async def ready() -> None:
            await observed.ready()
            await asyncio.sleep(self._counting_s)

        return ready

    def _settling_s(self, observed: Observed) -> float:
        """The time until every wait has been sampled for the last time, in the full form by the counters as well."""
        return max(_LAST_SAMPLES * observed.longest_period_s, self._counting_s)

    @property
    def _counting_s(self) -> float:
        return 1.2 * _COUNTED_EVERY_S if self._form == "full" else 0.0

    async def _hold(self, database: CalibrationTarget, scratch: Path, ready: Ready) -> HeldWaits | str:
        """The waits that took place, or why no lock could be held."""
        holds = plan(database.engine, self._form)
        self._progress(f"{database.name}: holding {len(holds)} locks")
        try:
            clock = Timekeeper(self._origin_ns)
            context = HoldContext(database.holders_dsn, database.dsn, scratch, clock, ready)
            return await hold(database.engine, context, holds)
        except Exception as error:
            return _first(error)


async def _why_unreachable(database: CalibrationTarget) -> str:
    """Why its sessions cannot be opened; empty where they can."""
    connect = calibration_of(database.engine).connect
    if connect is None:
        return ""
    try:
        await connect(database.holders_dsn)
    except Exception as error:
        return _first(error)
    return ""


async def _at_once() -> None:
    """No observer has to start."""


def _first(error: BaseException) -> str:
    """The first cause, in one line."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, ServerSilent | ObserverFailed):  # messages of our own
        return str(error)
    return f"{type(error).__name__}: {error}".splitlines()[0]
