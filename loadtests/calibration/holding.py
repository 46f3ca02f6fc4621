"""Holds made real: sessions that take locks and wait for them, the same way in every engine with sessions."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, nullcontext
from typing import Protocol

from loadtests.calibration.plan import BRIEFLY, Hold
from loadtests.calibration.timekeeping import Timekeeper
from loadtests.calibration.truth import Ask, Done

KEYS = 8
"""How many keys a hold has of its own: a chain's sessions hold one each."""

ANSWERS_WITHIN_S = 2.0
"""A server that takes longer for a trivial statement hangs, and is not waited for."""

_QUIET_READINGS = 5
_WAITS_WITHIN_S = 5.0
_ASKED_EVERY_S = 1.0


Ready = Callable[[], Awaitable[None]]
"""Returns when whoever looks is there."""


class Refused(Exception):
    """The server would not let a session wait any longer. `outcome` is a word of WAIT_OUTCOMES."""

    def __init__(self, outcome: str) -> None:
        super().__init__(outcome)
        self.outcome = outcome


class Silent(Exception):
    """The server does not answer any more."""

    def __init__(self) -> None:
        super().__init__(f"the server has not answered a trivial statement within {ANSWERS_WITHIN_S:g} s")


class Session(Protocol):
    """One session of the server, in one transaction at a time."""

    @property
    def number(self) -> int:
        """What the server calls it."""

    async def begin(self, name: str, patience_s: float | None) -> None:
        """A transaction under that name, which waits for a lock as long as that, or as long as it must."""

    async def take(self, lock: str, key: int, place: int) -> None:
        """Takes a lock, by one statement where it has to wait. `place` in the queue: 0 the holder. Raises Refused."""

    async def end(self, *, keep: bool) -> None:
        """Commits, or rolls back, which releases sooner. Harmless after Refused, and when that is done."""


class Engine(Protocol):
    """A server that holds are made on, with scratch objects of its own."""

    async def connect(self) -> None:
        """Makes the session that looks after the others."""

    async def answer(self) -> None:
        """One trivial statement, also while `waiting` is asked; not while `open` or `close` are at work."""

    async def open(self, sessions: int, holds: Sequence[Hold]) -> Sequence[Session]:
        """Makes sessions, and scratch objects with KEYS keys for each hold, from KEYS times its number on."""

    async def waiting(self, session: Session) -> None:
        """Returns when the server shows that the session waits."""

    async def close(self) -> None:
        """Drops what `open` made, unless the server is silent. Harmless when nothing was."""


class Holding:
    """Makes the holds of a plan, as many side by side as there are sessions."""

    def __init__(self, engine: Engine, clock: Timekeeper) -> None:
        self._engine, self._clock = engine, clock
        self._free: list[Session] = []
        self._changed = asyncio.Condition()
        self._alone = asyncio.Lock()
        self._quiet_ns: dict[tuple[str, bool], int] = {}

    async def make(self, holds: Sequence[Hold], sessions: int, ready: Ready) -> list[Done]:
        """What was done, the longest first. Nothing of it is left in the server, also after a failure.

        Raises Silent, in a group or alone, when the server hangs."""
        try:
            async with in_time():
                await self._engine.connect()
            self._free = list(await self._engine.open(sessions, holds))
            async with asyncio.TaskGroup() as group:
                asking = group.create_task(self._keep_asking())
                done = await self._make_all(holds, ready)
                asking.cancel()
            return done
        finally:
            await self._engine.close()

    async def _keep_asking(self) -> None:
        """Whether the server still answers."""
        while True:
            await asyncio.sleep(_ASKED_EVERY_S)
            async with in_time():
                await self._engine.answer()

    async def _make_all(self, holds: Sequence[Hold], ready: Ready) -> list[Done]:
        await self._measure_quiet(sorted({(h.lock, place) for h in holds for place in (1, 2)}))
        await ready()
        order = sorted(holds, key=lambda h: (-h.seconds, -h.sessions))
        async with self._clock.beating(), asyncio.TaskGroup() as group:
            made = [group.create_task(self._make(hold)) for hold in order]
        return [task.result() for task in made]

    async def _measure_quiet(self, takes: Sequence[tuple[str, int]]) -> None:
        session = self._free[0]
        for lock, place in takes:
            readings = [await self._quiet(session, lock, place) for _ in range(_QUIET_READINGS)]
            self._quiet_ns[lock, place > 1] = self._clock.quiet_ns(readings)

    async def _quiet(self, session: Session, lock: str, place: int) -> int:
        await session.begin("calibration.quiet", None)
        sent_ns = self._clock.now_ns()
        await session.take(lock, 0, place)
        took_ns = self._clock.now_ns() - sent_ns
        await session.end(keep=False)
        return took_ns

    async def _make(self, hold: Hold) -> Done:
        async with self._alone if hold.alone else nullcontext(), self._sessions(hold.sessions) as sessions:
            patience_s = hold.seconds if hold.ending == "timed_out" else None
            for place, session in enumerate(sessions):
                await session.begin(hold.name, patience_s if place else None)
            how = self._deadlock if hold.ending == "deadlock" else self._hold
            asks = await how(hold, sessions)
            return Done(hold, [s.number for s in sessions], asks)

    async def _hold(self, hold: Hold, sessions: Sequence[Session]) -> list[Ask]:
        """The first one holds, the last ones beside him. In a chain everybody holds a key of his own, and waits for the
        one before."""
        chain, first = hold.shape == "chain", KEYS * hold.number
        waiters, beside = sessions[1 : hold.waiters + 1], sessions[hold.waiters + 1 :]
        for session in beside:
            await session.take(hold.lock, first, 0)
        for place, session in enumerate(sessions if chain else sessions[:1]):
            await session.take(hold.lock, first + place, 0)
        async with asyncio.TaskGroup() as group:
            asked = []
            for place, session in enumerate(waiters, 1):
                key = first + (place - 1 if chain else 0)
                asked.append(group.create_task(self._ask(session, hold, key, place)))
                if place < hold.waiters:
                    await self._engine.waiting(session)
            if hold.ending == "timed_out":
                await asyncio.wait(asked)
            else:
                await _let_go(hold, beside)
                await asyncio.sleep(hold.seconds)
            await sessions[0].end(keep=_kept(hold))
        return [task.result() for task in asked]

    async def _deadlock(self, hold: Hold, sessions: Sequence[Session]) -> list[Ask]:
        first = KEYS * hold.number
        for place, session in enumerate(sessions):
            await session.take(hold.lock, first + place, 0)
        async with asyncio.TaskGroup() as group:
            one = group.create_task(self._ask(sessions[0], hold, first + 1, 0))
            await self._engine.waiting(sessions[0])
            await asyncio.sleep(hold.seconds)
            other = group.create_task(self._ask(sessions[1], hold, first, 1))
        return [one.result(), other.result()]

    async def _ask(self, session: Session, hold: Hold, key: int, place: int) -> Ask:
        sent_ns, outcome = self._clock.now_ns(), "acquired"
        try:
            await session.take(hold.lock, key, max(place, 1))
        except Refused as refused:
            outcome = refused.outcome
        answered_ns = self._clock.now_ns()
        await session.end(keep=_kept(hold))
        later = place > 1 and hold.shape == "queue"
        return Ask(place, sent_ns, answered_ns, self._quiet_ns[hold.lock, later], outcome)

    @asynccontextmanager
    async def _sessions(self, number: int) -> AsyncIterator[Sequence[Session]]:
        """That many free ones; given back, out of any transaction, however they were used."""
        async with self._changed:
            await self._changed.wait_for(lambda: len(self._free) >= number)
            taken, self._free = self._free[:number], self._free[number:]
        try:
            yield taken
        finally:
            async with self._changed:
                self._free += taken
                self._changed.notify_all()


async def _let_go(hold: Hold, beside: Sequence[Session]) -> None:
    """Of several holders all but the first one do so soon."""
    if beside:
        await asyncio.sleep(hold.seconds * BRIEFLY)
    for session in beside:
        await session.end(keep=_kept(hold))


def _kept(hold: Hold) -> bool:
    """Long holds are committed, as transactions are; a commit is synced, which would make short ones longer."""
    return hold.seconds >= 0.01


@asynccontextmanager
async def in_time() -> AsyncIterator[None]:
    """Around what any server that is well does at once. Raises Silent."""
    try:
        async with asyncio.timeout(ANSWERS_WITHIN_S):
            yield
    except TimeoutError:
        raise Silent from None


async def until(true: Callable[[], Awaitable[bool]]) -> None:
    """Asks again and again. Raises TimeoutError when it does not come true."""
    async with asyncio.timeout(_WAITS_WITHIN_S):
        while not await true():  # noqa: ASYNC110  the server calls nobody
            await asyncio.sleep(0.001)
