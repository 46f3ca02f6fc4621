"""CPU and memory of the processes of a run, by role; from /proc, which is cheaper than psutil and has the children
that ended."""

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NamedTuple

from loadtests.limits.cgroups import out_of_memory_kills, throttling
from loadtests.limits.processors import busy_ns, pressure_us
from loadtests.probes.contract import Clock, Rows


@dataclass(frozen=True)
class Usage:
    """`cpu_ns` includes ended children that were waited for. Shared memory counts once, not once a process."""

    cpu_ns: int
    rss_bytes: int


def tree_usage(pid: int) -> Usage | None:
    """What a process and all below it use; None when it is gone.

    Parents are read before their children: a child that ends in between is missed for one tick, not counted twice.
    """
    tick_ns, page = 1_000_000_000 // os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")
    found = [u for p in _tree(pid) if (u := _one(p))]
    if not found:
        return None
    private = sum(resident - shared for _, resident, shared in found)
    most_shared = max(shared for _, _, shared in found)
    return Usage(sum(ticks for ticks, _, _ in found) * tick_ns, (private + most_shared) * page)


class Schedule(NamedTuple):
    """How long (ns) a thread has run, and waited for a processor."""

    ran_ns: int
    waited_ns: int


def tree_schedules(pid: int) -> Iterator[tuple[int, Schedule]]:
    """The schedule of each thread of a process and all below it that live now."""
    for process in _tree(pid):
        try:
            tasks = os.listdir(f"/proc/{process}/task")  # noqa: PTH208
        except (FileNotFoundError, ProcessLookupError):
            continue
        for task in tasks:
            with suppress(FileNotFoundError, ProcessLookupError):
                fields = _read(f"/proc/{process}/task/{task}/schedstat").split()
                if len(fields) == 3:
                    yield int(task), Schedule(int(fields[0]), int(fields[1]))


def _tree(pid: int) -> Iterator[int]:
    yield pid
    for child in _children(pid):
        yield from _tree(child)


def _children(pid: int) -> list[int]:
    """Plain `os` calls: this runs for every process of the run at every tick."""
    try:
        tasks = os.listdir(f"/proc/{pid}/task")  # noqa: PTH208
        return [int(child) for task in tasks for child in _read(f"/proc/{pid}/task/{task}/children").split()]
    except (FileNotFoundError, ProcessLookupError):
        return []


def _one(pid: int) -> tuple[int, int, int] | None:
    """Clock ticks (own, and of waited-for children), resident and shared pages."""
    try:
        stat, statm = _read(f"/proc/{pid}/stat"), _read(f"/proc/{pid}/statm").split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = stat[stat.rindex(b")") + 2 :].split()  # a program's name may hold anything, brackets too
    return sum(int(f) for f in fields[11:15]), int(statm[1]), int(statm[2])


def _read(path: str) -> bytes:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return os.read(descriptor, 65536)
    finally:
        os.close(descriptor)


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
    """How long the threads of process trees have run and waited for a processor: neither falls when some of them
    end."""

    def __init__(self) -> None:
        self._total = Schedule(0, 0)
        self._seen: dict[int, Schedule] = {}

    def sample(self, roots: Iterable[int]) -> Schedule:
        """A thread that came and went between two samples is missed."""
        now = {thread: schedule for root in roots for thread, schedule in tree_schedules(root)}
        for thread, schedule in now.items():
            before = self._seen.get(thread, _UNSEEN)
            if schedule.ran_ns < before.ran_ns or schedule.waited_ns < before.waited_ns:
                before = _UNSEEN  # a number that was given out again
            ran_ns, waited_ns = (now - then for now, then in zip(schedule, before, strict=True))
            self._total = Schedule(self._total.ran_ns + ran_ns, self._total.waited_ns + waited_ns)
        self._seen = now
        return self._total


_UNSEEN = Schedule(0, 0)


class ResourcesProbe:
    """Twice a second a row for every group that lives, and the counters of the host."""

    name = "resources"
    period_s = 0.5
    deadline_s = 0.5

    def __init__(self, clock: Clock, watched: list[Watched]) -> None:
        self._clock = clock
        self._groups: dict[tuple[str, str], _Group] = {}
        self._systems, self._generator = RunQueue(), RunQueue()
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
        pids = {role: [g.pid for (its, _), g in self._groups.items() if its == role] for role in MEASURED}
        systems = self._systems.sample(pids["pod"] + pids["database"])
        generator = self._generator.sample(pids["generator"])
        found = {
            "processors": len(self._cpus),
            "busy_ns": busy_ns(self._cpus),
            "own_cpu_ns": sum(group.cpu_ns for group in self._groups.values()),
            "measured_cpu_ns": sum(group.cpu_ns for (role, _), group in self._groups.items() if role in MEASURED),
            "run_queue_ns": systems.waited_ns + generator.waited_ns,
            "generator_runnable_ns": generator.ran_ns + generator.waited_ns,
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
