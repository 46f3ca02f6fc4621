"""Makes holds by sessions that take locks and wait for them, in the same way on every engine with sessions."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, nullcontext
from typing import Protocol

from loadtests.calibration.plan import SHARED_FOR, PlannedHold
from loadtests.calibration.timekeeping import Timekeeper
from loadtests.calibration.truth import CompletedHold, LockRequest

KEYS = 8
"""Keys of each hold: every session of a chain holds one."""

ANSWERS_WITHIN_S = 2.0
"""A server that takes longer for a trivial statement is considered hung."""

_QUIET_READINGS = 5
_WAITS_WITHIN_S = 5.0
_CHECKED_EVERY_S = 1.0


Ready = Callable[[], Awaitable[None]]
"""Returns when the observer is ready."""


class LockRefused(Exception):
    """The server ended a session's wait without the lock. `outcome` is one of WAIT_OUTCOMES."""

    def __init__(self, outcome: str) -> None:
        super().__init__(outcome)
        self.outcome = outcome


class ServerSilent(Exception):
    """The server has stopped answering."""

    def __init__(self) -> None:
        super().__init__(f"the server has not answered a trivial statement within {ANSWERS_WITHIN_S:g} s")


class HoldSession(Protocol):
    """One session of the server, in one transaction at a time."""

    @property
    def number(self) -> int:
        """Its number in the server."""

    async def begin(self, name: str, patience_s: float | None) -> None:
        """Begins a transaction of that name; `patience_s` limits its waits for locks, None does not."""

    async def take(self, lock: str, key: int, position: int) -> None:
        """Takes a lock, with one statement where it has to wait. `position` in the queue: 0 is the holder.

        Raises LockRefused.
        """

    async def end(self, *, keep: bool) -> None:
        """Commits, or rolls back, which releases sooner. Has no effect after LockRefused or a second time."""


class HoldServer(Protocol):
    """A server that holds are made on, with its own scratch objects."""

    async def connect(self) -> None:
        """Opens the control session."""

    async def answer(self) -> None:
        """Runs a trivial statement, also during `waiting`, but not during `open` or `close`."""

    async def open(self, sessions: int, holds: Sequence[PlannedHold]) -> Sequence[HoldSession]:
        """Opens sessions, and makes scratch objects with KEYS keys for each hold, from KEYS times its number on."""

    async def waiting(self, session: HoldSession) -> None:
        """Returns when the server shows that the session is waiting."""

    async def close(self) -> None:
        """Drops what `open` made, unless the server is silent. Has no effect when nothing was made."""


class SessionHolds:
    """Makes the holds of a plan, as many in parallel as there are sessions."""

    def __init__(self, server: HoldServer, clock: Timekeeper) -> None:
        self._server, self._clock = server, clock
        self._free: list[HoldSession] = []
        self._changed = asyncio.Condition()
        self._alone = asyncio.Lock()
        self._quiet_ns: dict[tuple[str, bool], int] = {}

    async def make(self, holds: Sequence[PlannedHold], sessions: int, ready: Ready) -> list[CompletedHold]:
        """Makes the holds, the longest first. Nothing is left in the server, also after a failure.

        Raises ServerSilent, in a group or alone, when the server hangs."""
        try:
            async with in_time():
                await self._server.connect()
            self._free = list(await self._server.open(sessions, holds))
            async with asyncio.TaskGroup() as group:
                checking = group.create_task(self._check_server())
                done = await self._make_all(holds, ready)
                checking.cancel()
            return done
        finally:
            await self._server.close()

    async def _check_server(self) -> None:
        """Raises ServerSilent when the server stops answering."""
        while True:
            await asyncio.sleep(_CHECKED_EVERY_S)
            async with in_time():
                await self._server.answer()

    async def _make_all(self, holds: Sequence[PlannedHold], ready: Ready) -> list[CompletedHold]:
        await self._measure_quiet(sorted({(h.lock, position) for h in holds for position in (1, 2)}))
        await ready()
        order = sorted(holds, key=lambda h: (-h.seconds, -h.sessions))
        async with self._clock.beating(), asyncio.TaskGroup() as group:
            made = [group.create_task(self._make(hold)) for hold in order]
        return [task.result() for task in made]

    async def _measure_quiet(self, takes: Sequence[tuple[str, int]]) -> None:
        session = self._free[0]
        for lock, position in takes:
            readings = [await self._quiet(session, lock, position) for _ in range(_QUIET_READINGS)]
            self._quiet_ns[lock, position > 1] = self._clock.quiet_ns(readings)

    async def _quiet(self, session: HoldSession, lock: str, position: int) -> int:
        await session.begin("calibration.quiet", None)
        sent_ns = self._clock.now_ns()
        await session.take(lock, 0, position)
        took_ns = self._clock.now_ns() - sent_ns
        await session.end(keep=False)
        return took_ns

    async def _make(self, hold: PlannedHold) -> CompletedHold:
        async with self._alone if hold.alone else nullcontext(), self._sessions(hold.sessions) as sessions:
            patience_s = hold.seconds if hold.ending == "timed_out" else None
            for position, session in enumerate(sessions):
                await session.begin(hold.name, patience_s if position else None)
            how = self._deadlock if hold.ending == "deadlock" else self._hold
            requests = await how(hold, sessions)
            return CompletedHold(hold, [s.number for s in sessions], requests)

    async def _hold(self, hold: PlannedHold, sessions: Sequence[HoldSession]) -> list[LockRequest]:
        """The first session holds; the last ones share its lock. In a chain every session holds its own key and waits
        for the one before."""
        chain, first = hold.shape == "chain", KEYS * hold.number
        waiters, sharing = sessions[1 : hold.waiters + 1], sessions[hold.waiters + 1 :]
        for session in sharing:
            await session.take(hold.lock, first, 0)
        for position, session in enumerate(sessions if chain else sessions[:1]):
            await session.take(hold.lock, first + position, 0)
        async with asyncio.TaskGroup() as group:
            requested = []
            for position, session in enumerate(waiters, 1):
                key = first + (position - 1 if chain else 0)
                requested.append(group.create_task(self._request(session, hold, key, position)))
                if position < hold.waiters:
                    await self._server.waiting(session)
            if hold.ending == "timed_out":
                await asyncio.wait(requested)
            else:
                await _release_shared(hold, sharing)
                await asyncio.sleep(hold.seconds)
            await sessions[0].end(keep=_kept(hold))
        return [task.result() for task in requested]

    async def _deadlock(self, hold: PlannedHold, sessions: Sequence[HoldSession]) -> list[LockRequest]:
        first = KEYS * hold.number
        for position, session in enumerate(sessions):
            await session.take(hold.lock, first + position, 0)
        async with asyncio.TaskGroup() as group:
            one = group.create_task(self._request(sessions[0], hold, first + 1, 0))
            await self._server.waiting(sessions[0])
            await asyncio.sleep(hold.seconds)
            other = group.create_task(self._request(sessions[1], hold, first, 1))
        return [one.result(), other.result()]

    async def _request(self, session: HoldSession, hold: PlannedHold, key: int, position: int) -> LockRequest:
        sent_ns, outcome = self._clock.now_ns(), "acquired"
        try:
            await session.take(hold.lock, key, max(position, 1))
        except LockRefused as refused:
            outcome = refused.outcome
        answered_ns = self._clock.now_ns()
        await session.end(keep=_kept(hold))
        later = position > 1 and hold.shape == "queue"
        return LockRequest(position, sent_ns, answered_ns, self._quiet_ns[hold.lock, later], outcome)

    @asynccontextmanager
    async def _sessions(self, number: int) -> AsyncIterator[Sequence[HoldSession]]:
        """That many free sessions, which are returned outside of a transaction."""
        async with self._changed:
            await self._changed.wait_for(lambda: len(self._free) >= number)
            taken, self._free = self._free[:number], self._free[number:]
        try:
            yield taken
        finally:
            async with self._changed:
                self._free += taken
                self._changed.notify_all()


async def _release_shared(hold: PlannedHold, sharing: Sequence[HoldSession]) -> None:
    """Releases the lock of all holders but the first."""
    if sharing:
        await asyncio.sleep(hold.seconds * SHARED_FOR)
    for session in sharing:
        await session.end(keep=_kept(hold))


def _kept(hold: PlannedHold) -> bool:
    """Whether a hold is committed, as transactions are; the sync of a commit would prolong short holds."""
    return hold.seconds >= 0.01


@asynccontextmanager
async def in_time() -> AsyncIterator[None]:
    """For statements that a healthy server answers at once. Raises ServerSilent."""
    try:
        async with asyncio.timeout(ANSWERS_WITHIN_S):
            yield
    except TimeoutError:
        raise ServerSilent from None


async def until(true: Callable[[], Awaitable[bool]]) -> None:
    """Polls until the condition is true. Raises TimeoutError."""
    async with asyncio.timeout(_WAITS_WITHIN_S):
        while not await true():  # noqa: ASYNC110  the server does not notify
            await asyncio.sleep(0.001)
