"""CPU and memory of the processes of a run, by role."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from loadtests.limits.cgroups import out_of_memory_kills, throttling
from loadtests.limits.processors import busy_ns, pressure_us
from loadtests.probes.contract import Clock, Rows
from loadtests.probes.processes import Usage, tree_usage, tree_waits

MEASURED = ("pod", "database", "generator")
"""The roles whose waiting is a part of what clients see."""

ROLES = ("pod", "database", "generator", "observer")


@dataclass(frozen=True)
class Watched:
    """One process group: `role:name:pid`, the process and all below it."""

    role: str
    name: str
    pid: int

    @classmethod
    def parse(cls, text: str) -> "Watched":
        """Raises ValueError with what was expected."""
        role, _, rest = text.partition(":")
        name, _, pid = rest.rpartition(":")
        if role not in ROLES or not name or not pid.isdecimal():
            raise ValueError(f"{text!r}: expected ROLE:NAME:PID, with a role of {', '.join(ROLES)}")
        return cls(role, name, int(pid))


class _Group:
    """A role's name over time: its processor time never falls, also when another process takes its place."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._before_ns = 0
        self._cpu_ns = 0

    def replace(self, pid: int) -> None:
        if pid != self.pid:
            self.pid, self._before_ns = pid, self._cpu_ns

    @property
    def cpu_ns(self) -> int:
        """As of the last sample."""
        return self._cpu_ns

    def usage(self) -> Usage | None:
        now = tree_usage(self.pid)
        if now is None:
            return None
        self._cpu_ns = max(self._cpu_ns, self._before_ns + now.cpu_ns)
        return Usage(self._cpu_ns, now.rss_bytes)


class RunQueue:
    """How long the threads of process trees have waited for a processor: it never falls when some of them end."""

    def __init__(self) -> None:
        self.total_ns = 0
        self._seen: dict[int, int] = {}

    def sample(self, roots: Iterable[int]) -> int:
        """A thread that came and went between two samples is missed."""
        now = {thread: waited for root in roots for thread, waited in tree_waits(root)}
        for thread, waited in now.items():
            before = self._seen.get(thread, 0)
            self.total_ns += waited - before if waited >= before else waited  # a number that was given out again
        self._seen = now
        return self.total_ns


class ResourcesProbe:
    """Twice a second a row for every group that lives, and the counters of the host."""

    name = "resources"
    period_s = 0.5
    deadline_s = 0.5

    def __init__(self, clock: Clock, watched: list[Watched]) -> None:
        self._clock = clock
        self._groups: dict[tuple[str, str], _Group] = {}
        self._run_queue = RunQueue()
        self._cpus = sorted(os.sched_getaffinity(0))
        for one in watched:
            self.watch(one)

    def watch(self, one: Watched) -> None:
        """Adds a group, or puts a new process in the place of one that was restarted."""
        self._groups.setdefault((one.role, one.name), _Group(one.pid)).replace(one.pid)

    async def open(self) -> None:
        tree_usage(1)

    async def sample(self) -> Rows:
        now_ns = self._clock()
        rows: list[tuple[Any, ...]] = []
        for (role, name), group in self._groups.items():
            if used := group.usage():
                rows.append((now_ns, role, name, used.cpu_ns, used.rss_bytes))
        host = [(now_ns, counter, value) for counter, value in self._host().items()]
        return {"resources": rows, "host": host}

    def _host(self) -> dict[str, int]:
        """Totals of the host, and of the processes of the run."""
        measured = [group.pid for (role, _), group in self._groups.items() if role in MEASURED]
        found = {
            "processors": len(self._cpus),
            "busy_ns": busy_ns(self._cpus),
            "own_cpu_ns": sum(group.cpu_ns for group in self._groups.values()),
            "measured_cpu_ns": sum(group.cpu_ns for (role, _), group in self._groups.items() if role in MEASURED),
            "run_queue_ns": self._run_queue.sample(measured),
            "out_of_memory_kills": out_of_memory_kills(),
        }
        for resource in ("cpu", "memory", "io"):
            for kind, spent_us in pressure_us(resource).items():
                found[f"{resource}_{kind}_pressure_us"] = spent_us
        if (throttled := throttling()) is not None:
            found |= {"throttled_ns": throttled.throttled_ns, "throttled_periods": throttled.throttled_periods}
        return found

    async def close(self) -> None:
        """Nothing is held open."""

    def rest(self) -> Rows:
        return {}
