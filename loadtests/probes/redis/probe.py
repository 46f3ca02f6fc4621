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
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from redis.exceptions import NoPermissionError, ResponseError

from loadtests.drivers import redis
from loadtests.drivers.addresses import parse_address
from loadtests.probes import naming
from loadtests.probes.clocks import clock_offset
from loadtests.probes.contract import Clock, Database, Rows, ServerClockOffset, Source
from loadtests.probes.rows import counter_rows, session_rows

COMMAND = "cmdstat_"
_LONGEST = 80
_COMMENT = re.compile(r"\s*--\s*([A-Za-z_][\w.-]{0,60})\s*(?:\n|$)")
_LABEL = re.compile(r"(?:\{[^}\s]*\}:)?/\*\s*([A-Za-z_][\w.-]{0,99}@[\w.-]{1,100})\s*\*/")
"""A whole argument or key, with the pod's name: users' texts may contain comments, too."""
_NAMES = 200
_CONTAINERS = frozenset({"client", "config", "function", "script", "xgroup", "object", "memory", "cluster", "acl"})


class Busy:
    """Which commands the server was busy with, by the time that each has taken so far.

    A command counts as one session that runs at a moment when its time has grown by a whole period since it last
    counted: added up over the moments, sessions times period is the time that it took. What a script calls is counted
    by the server on its own as well.
    """

    def __init__(self, period_us: int) -> None:
        self._period_us = period_us
        self._server: Any = None
        self._counted_us: dict[str, int] = {}

    def since(self, info: Mapping[str, Any]) -> Counter[tuple[str, str | None]]:
        """(`running`, command) → periods since the sample before."""
        spent = {name: int(figures["usec"]) for name, figures in _commands(info)}
        if info["run_id"] != self._server:  # started anew: its counters begin at nothing, and so does what we know
            first, self._server = self._server is None, info["run_id"]
            self._counted_us = dict(spent) if first else {}
        totals: Counter[tuple[str, str | None]] = Counter()
        for command, used_us in spent.items():
            before_us = self._counted_us.setdefault(command, 0)
            periods = max(used_us - before_us, 0) // self._period_us
            totals["running", command] = periods
            self._counted_us[command] = min(before_us, used_us) + periods * self._period_us
        return totals


def spread(totals: Mapping[tuple[str, str | None], int], moments: int) -> list[Counter[tuple[str, str | None]]]:
    """The periods of each command over so many moments, the last ones first: a sample that had to wait for the thread
    shows what kept it, and that was just before. What is left over is of the last moment."""
    samples: list[Counter[tuple[str, str | None]]] = [Counter() for _ in range(moments)]
    for who, periods in totals.items():
        for sample in samples[max(moments - periods, 0) :]:
            sample[who] += 1
        samples[-1][who] += max(periods - moments, 0)
    return samples


def counters(info: Mapping[str, Any]) -> dict[str, int]:
    """The server's own totals, by command."""
    found: dict[str, int] = {}
    for command, figures in _commands(info):
        found[f"command_us:{command}"] = int(figures["usec"])
        found[f"command_calls:{command}"] = int(figures["calls"])
        for kind in ("rejected", "failed"):  # most have none: these appear when they happen
            if number := int(figures.get(f"{kind}_calls", 0)):
                found[f"command_{kind}:{command}"] = number
    return found


def _commands(info: Mapping[str, Any]) -> Iterable[tuple[str, Mapping[str, Any]]]:
    return ((key.removeprefix(COMMAND), figures) for key, figures in info.items() if key.startswith(COMMAND))


class Slow(NamedTuple):
    """A command that took longer than the server's `slowlog-log-slower-than`."""

    number: int
    duration_us: int
    command: tuple[str, ...]
    client: str


class SlowLog:
    """Adds up what is new in SLOWLOG. It numbers its entries, so that none counts twice; those that it dropped before
    they were read are counted under no name."""

    def __init__(self) -> None:
        self._server: str | None = None
        self._next: int | None = None
        self.totals: Counter[str] = Counter()

    def serve(self, server: str) -> None:
        """Another one begins to count at nothing. Of the first one only what happens from now on is counted."""
        if self._server not in (None, server):
            self._next = 0
        self._server = server

    def news(self, newest: int | None) -> int:
        """How many entries have come, when that is the number of the newest; None: there are none."""
        if self._next is None:
            self._next = 0 if newest is None else newest + 1
        return 0 if newest is None else max(newest + 1 - self._next, 0)

    def add(self, entries: Sequence[Slow]) -> None:
        """The newest first, and as many as there was news of or fewer."""
        first = self._next or 0
        new = [entry for entry in entries if entry.number >= first]
        for entry in new:
            name = operation(entry.command, entry.client)
            if f"slow_us:{name}" not in self.totals and len(self.totals) > 2 * _NAMES:
                name = "others"
            self.totals[f"slow_us:{name}"] += entry.duration_us
            self.totals[f"slow_calls:{name}"] += 1
        if new:
            self._next = new[0].number + 1
            if unread := self._next - first - len(new):
                self.totals["slow_calls_unread"] += unread


def operation(command: Sequence[str], client: str) -> str:
    """What a client was doing. Its command names it in a comment, as `/*chat.accept@pod-1*/`, which may stand in an
    argument or a key that is not used; else the client in its name, `chat.accept@pod-1`; else a function is named by
    its name, a script by the comment in its first line, another command by itself. EVALSHA hides the text of its
    script, whose first digits are all there is then."""
    label = next((found[1] for word in command if (found := _LABEL.fullmatch(word))), None)
    name = naming.operation(label, None) if label else naming.operation(client or None, _command_name(*command[:2]))
    return (name or "untold")[:_LONGEST]


def _command_name(word: str = "", first: str = "") -> str:
    word = word.lower()
    if word in ("eval", "eval_ro"):
        comment = _COMMENT.match(first)
        return comment[1] if comment else word
    if word in ("evalsha", "evalsha_ro"):
        return f"{word} {first[:8]}"
    if word in ("fcall", "fcall_ro"):
        return first or word
    return f"{word} {first.lower()}" if word in _CONTAINERS and first else word


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
