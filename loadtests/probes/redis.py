"""Redis as a probe sees it: its clients, and what its one thread is busy with. The one module that knows redis-py here.

Redis has no locks to wait for, so there are no lock waits; whoever waits, waits for that thread.
"""

import asyncio
from collections import Counter
from typing import Any

import redis.asyncio

from loadtests.probes.clocks import clock_offset
from loadtests.probes.contract import Clock, ClockOffset, Rows
from loadtests.probes.databases import Database
from loadtests.probes.rows import session_rows

_OPEN_S = 2.0
_COMMAND = "cmdstat_"


class RedisProbe:
    """One connection, opened before the load."""

    def __init__(self, database: Database, dsn: str, clock: Clock, period_s: float = 0.1) -> None:
        self.name = database.probe
        self.period_s, self.deadline_s = period_s, 5 * period_s
        self.offset: ClockOffset | None = None
        self._database, self._dsn, self._clock = database, dsn, clock
        self._client: Any = None
        self._busy = Busy(round(period_s * 1e6))

    async def open(self) -> None:
        async with asyncio.timeout(_OPEN_S):
            self._client = redis.asyncio.Redis.from_url(self._dsn, single_connection_client=True)
            await self._client.initialize()
            self.offset = await clock_offset(self._now_us)

    async def _now_us(self) -> int:
        seconds, microseconds = await self._client.time()
        return int(seconds) * 1_000_000 + int(microseconds)

    async def sample(self) -> Rows:
        now_ns = self._clock()
        told = await self._client.info("everything")
        return {"sessions": session_rows(now_ns, self._database, self._sessions(told))}

    def _sessions(self, told: dict[str, Any]) -> Counter[tuple[str, str | None]]:
        """All clients but this one: blocked by a command that waits, or idle, but for who is being served."""
        totals = self._busy.since(told)
        blocked = told["blocked_clients"]
        totals["other", None] = blocked
        totals["client", None] = max(told["connected_clients"] - 1 - blocked - totals.total(), 0)
        return totals

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    def rest(self) -> Rows:
        return {}


class Busy:
    """Which commands the server was busy with, told from the time that each has taken so far.

    A command counts as one session that runs at a look when its time has grown by a whole period since it last
    counted: added up over the looks, sessions times period is the time that it took.
    """

    def __init__(self, period_us: int) -> None:
        self._period_us = period_us
        self._server: Any = None
        self._counted_us: dict[str, int] = {}

    def since(self, told: dict[str, Any]) -> Counter[tuple[str, str | None]]:
        spent = {
            key.removeprefix(_COMMAND): int(figures["usec"])
            for key, figures in told.items()
            if key.startswith(_COMMAND)
        }
        if told["run_id"] != self._server:  # started anew: its counters begin at nothing, and so does what we know
            first, self._server = self._server is None, told["run_id"]
            self._counted_us = dict(spent) if first else {}
        totals: Counter[tuple[str, str | None]] = Counter()
        for command, used_us in spent.items():
            before_us = self._counted_us.setdefault(command, 0)
            periods = max(used_us - before_us, 0) // self._period_us
            totals["running", command] = periods
            self._counted_us[command] = min(before_us, used_us) + periods * self._period_us
        return totals
