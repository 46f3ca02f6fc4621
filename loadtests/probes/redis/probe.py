"""Redis as a probe sees it: its clients, and what its one thread is busy with.

Redis has no locks to wait for, so there are no lock waits: all clients wait for that thread, and a command that keeps
it for long is what they wait for. That is no wait of one session for another, and has no row in `lock_waits`: it is
in `counters`. `command_us:COMMAND` and `command_calls:COMMAND` are the server's totals; `slow_us:OPERATION` and
`slow_calls:OPERATION` add up the commands that its SLOWLOG names, to the microsecond, by who sent them. Both count a
command when it is over.

A sample waits for the thread like every client. A late one makes up for those that were left out meanwhile: the
totals show what the thread was busy with. BUSY, the reply while a script has lasted longer than
`busy-reply-threshold` (`lua-time-limit`), is an observation: the server runs that script, and its totals show it
afterwards."""

import asyncio
from collections.abc import Sequence
from typing import Any

from redis.exceptions import NoPermissionError, ResponseError

from loadtests.drivers import redis
from loadtests.drivers.addresses import parse_address
from loadtests.probes.clocks import clock_offset
from loadtests.probes.contract import Clock, Database, Rows, ServerClockOffset, Source
from loadtests.probes.redis.thread import Busy, Slow, SlowLog, counters, spread
from loadtests.probes.rows import counter_rows, session_rows

_OPEN_S = 2.0
_DEADLINE_S = 6.0
"""Longer than what Redis lets a script run before it answers all others with BUSY, which is 5 s by default."""
_SLOWLY_NS = 1_000_000_000
_MOST_ENTRIES = 1024
_MEANWHILE = 16
"""Entries that may come between the question for the newest one and that for the others."""
NO_SLOWLOG = (
    "commands that keep the thread for long are not known by name: the observer's user needs SLOWLOG (+slowlog|get)"
)


class RedisProbe:
    """One connection, opened before the load."""

    def __init__(self, database: Database, dsn: str, clock: Clock, period_s: float = 0.1) -> None:
        self.name = database.probe
        self.period_s, self.deadline_s = period_s, _DEADLINE_S
        self.offset: ServerClockOffset | None = None
        self.source: Source | None = None
        self._database, self._dsn, self._clock = database, dsn, clock
        self._period_ns = round(period_s * 1e9)
        self._client: Any = None
        self._busy = Busy(round(period_s * 1e6))
        self._slow = SlowLog()
        self._sampled_ns: int | None = None
        self._slowly_ns = 0

    async def open(self) -> None:
        address = parse_address("redis", self._dsn)
        self._client = await redis.open_client(address, timeout_s=_OPEN_S)
        async with asyncio.timeout(_OPEN_S):
            self.offset = await clock_offset(self._now_us)
            self._slow.serve((await self._client.info("server"))["run_id"])
            reason = "" if await self._may_read_slowlog() else NO_SLOWLOG
            self.source = self.source or Source(("counter",), _SLOWLY_NS, None, reason)
        self._sampled_ns = None

    async def _now_us(self) -> int:
        seconds, microseconds = await self._client.time()
        return int(seconds) * 1_000_000 + int(microseconds)

    async def sample(self) -> Rows:
        asked_ns = self._clock()
        with_totals = asked_ns >= self._slowly_ns
        try:
            info, newest = await self._info(with_totals)
            now_ns = self._clock()
            slowly = await self._totals(now_ns, info, newest) if with_totals else {}
        except ResponseError as error:
            if str(error).startswith("BUSY"):
                return {}  # a later sample shows what it was busy with
            raise
        moments = self._moments(now_ns)
        made_up = [(self.name, at, at, now_ns, 0, None, self._period_ns) for at in moments[:-1] if at > asked_ns]
        return {"sessions": self._sessions(moments, info), "ticks": made_up, **slowly}

    def _moments(self, now_ns: int) -> list[int]:
        """The times of samples due since the one before: now, and those that were left out or failed."""
        last_ns, self._sampled_ns = self._sampled_ns or now_ns - self._period_ns, now_ns
        periods = max(round((now_ns - last_ns) / self._period_ns), 1)
        return [now_ns - n * self._period_ns for n in range(periods - 1, -1, -1)]

    def _sessions(self, moments: Sequence[int], info: dict[str, Any]) -> list[tuple[Any, ...]]:
        """All clients but this one: blocked by a command that waits, or idle, but for the one being served. Of samples
        that were left out only who was served."""
        samples = spread(self._busy.since(info), len(moments))
        blocked = info["blocked_clients"]
        samples[-1]["client", None] = max(info["connected_clients"] - 1 - blocked - samples[-1].total(), 0)
        samples[-1]["other", None] = blocked
        return [
            row for at, sample in zip(moments, samples, strict=True) for row in session_rows(at, self._database, sample)
        ]

    async def _info(self, with_newest: bool) -> tuple[dict[str, Any], int | None]:
        """INFO, and the number of SLOWLOG's newest entry at that moment, as far as there is one and this user may see
        it. Sent together: the server answers them without serving others in between. Asked one after the other behind
        scripts of 0.3 s, the second answer had up to five entries that the first one's totals did not count.
        """
        pipe = self._client.pipeline(transaction=False)
        pipe.info("everything")
        if with_newest:
            pipe.execute_command("SLOWLOG", "GET", 1)
        info, *answers = await pipe.execute(raise_on_error=False)
        if isinstance(info, Exception):
            raise info
        entries = answers[0] if answers else []
        if isinstance(entries, Exception):
            if not isinstance(entries, NoPermissionError):
                raise entries
            entries = []
        return info, entries[0][0] if entries else None

    async def _totals(self, now_ns: int, info: dict[str, Any], newest: int | None) -> Rows:
        """Once a second: the server's totals, and what SLOWLOG had added when they were read."""
        self._slowly_ns = now_ns + _SLOWLY_NS
        if news := self._slow.news(newest):
            entries = await self._slow_entries(min(news + _MEANWHILE, _MOST_ENTRIES))
            self._slow.add([entry for entry in entries if newest is not None and entry.number <= newest])
        return {"counters": counter_rows(now_ns, self._database, {**counters(info), **self._slow.totals})}

    async def _may_read_slowlog(self) -> bool:
        """Whether this user may. What SLOWLOG has by now is not of the run."""
        try:
            newest = await self._slow_entries(1)
        except NoPermissionError:
            return False
        self._slow.news(newest[0].number if newest else None)
        return True

    async def _slow_entries(self, most: int) -> list[Slow]:
        """The newest first."""
        # Not slowlog_get, which joins all arguments to one text: a user's text would pass for arguments of the command.
        return [_slow(entry) for entry in await self._client.execute_command("SLOWLOG", "GET", most)]

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    def rest(self) -> Rows:
        return {}


def _slow(entry: Sequence[Any]) -> Slow:
    """Number, beginning, duration, arguments, and by newer servers the client's address and name. Redis
    Enterprise has a word on its complexity before its own."""
    words, *client = entry[3:] if isinstance(entry[3], list) else entry[4:]
    return Slow(entry[0], entry[2], tuple(map(_text, words)), _text(client[1]) if client else "")


def _text(text: bytes) -> str:
    return text.decode(errors="replace")
