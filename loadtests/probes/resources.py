"""CPU and memory of the processes of a run, by role."""

from dataclasses import dataclass
from typing import Any

from loadtests.probes.contract import Clock, Rows
from loadtests.probes.processes import Usage, tree_usage

ROLES = ("pod", "database", "generator", "observer")


@dataclass(frozen=True)
class Watched:
    """One process group: `role:name:pid`, the process and all below it."""

    role: str
    name: str
    pid: int

    @classmethod
    def parse(cls, text: str) -> "Watched":
        """Raises ValueError saying what was expected."""
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

    def usage(self) -> Usage | None:
        now = tree_usage(self.pid)
        if now is None:
            return None
        self._cpu_ns = max(self._cpu_ns, self._before_ns + now.cpu_ns)
        return Usage(self._cpu_ns, now.rss_bytes)


class ResourcesProbe:
    """A row for every group that lives, twice a second."""

    name = "resources"
    period_s = 0.5
    deadline_s = 0.5

    def __init__(self, clock: Clock, watched: list[Watched]) -> None:
        self._clock = clock
        self._groups: dict[tuple[str, str], _Group] = {}
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
        return {"resources": rows}

    async def close(self) -> None:
        """Nothing is held open."""

    def rest(self) -> Rows:
        return {}
