"""Control groups of a process, version 1 and 2: limits on processor time, memory and tasks, and what they have cost.

Every function takes the root of the file system, so that a test can give it a tree of files. A limit of a group holds
for all groups below it, so that the lowest on the way up counts.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path("/")

_UNLIMITED_V1: Final = 1 << 60
"""Version 1 writes "no limit" as a number of bytes near the largest."""


@dataclass(frozen=True)
class Group:
    """One control group: its directory, and the version whose files it has."""

    path: Path
    version: int

    def number(self, file: str) -> int | None:
        """The number that a file of the group holds; None for `max`, a negative number, or no such file."""
        text = self.text(file).strip()
        return int(text) if text.isdigit() else None

    def text(self, file: str) -> str:
        return read_text(self.path / file)

    def table(self, file: str) -> dict[str, int]:
        """A file of lines `NAME NUMBER`."""
        pairs = (line.split() for line in self.text(file).splitlines())
        return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].isdigit()}


@dataclass(frozen=True)
class Throttling:
    """How often and for how long a group had used up its quota, since it was made."""

    periods: int
    throttled_periods: int
    throttled_ns: int


def groups(controller: str, pid: int | str = "self", root: Path = ROOT) -> list[Group]:
    """The groups of a process that have a controller (`cpu`, `memory`, `pids`), from its own to the topmost one that
    is mounted here; none where there are no control groups."""
    mounts = _mounts(root)
    for name, path in _memberships(pid, root):
        for controllers, mounted_root, mount, version in mounts:
            if (version == 1 and controller in controllers and controller in name) or (version == 2 and name == [""]):
                found = [Group(place, version) for place in _upwards(root, mount, mounted_root, path)]
                if version == 1 or any(_has(group, controller) for group in found):
                    return found
    return []


def cpu_quota(pid: int | str = "self", root: Path = ROOT) -> float | None:
    """How many cores' worth of time the process's groups may use; None: no quota."""
    quotas = [quota for group in groups("cpu", pid, root) if (quota := _cpu_quota(group)) is not None]
    return min(quotas, default=None)


def throttling(pid: int | str = "self", root: Path = ROOT) -> Throttling | None:
    """What the tightest quota has cost; None where there is no quota."""
    limited = [(quota, group) for group in groups("cpu", pid, root) if (quota := _cpu_quota(group)) is not None]
    if not limited:
        return None
    group = min(limited, key=lambda pair: pair[0])[1]
    counted = group.table("cpu.stat")
    spent_ns = counted.get("throttled_time", counted.get("throttled_usec", 0) * 1000)
    return Throttling(counted.get("nr_periods", 0), counted.get("nr_throttled", 0), spent_ns)


def memory_limit(pid: int | str = "self", root: Path = ROOT) -> int | None:
    """The fewest bytes that a group on the way up may have; None: no limit."""
    limits = [limit for group in groups("memory", pid, root) if (limit := _memory_limit(group)) is not None]
    return min(limits, default=None)


def out_of_memory_kills(pid: int | str = "self", root: Path = ROOT) -> int:
    """How many processes of the process's own group, or one below it, were killed because it was full."""
    own = groups("memory", pid, root)[:1]
    return sum(g.table("memory.events" if g.version == 2 else "memory.oom_control").get("oom_kill", 0) for g in own)


def tasks_left(pid: int | str = "self", root: Path = ROOT) -> int | None:
    """How many more processes and threads there may be until the first group is full; None: no limit."""
    left = []
    for group in groups("pids", pid, root):
        most = group.number("pids.max")
        if most is not None:
            left.append(max(most - (group.number("pids.current") or 0), 0))
    return min(left, default=None)


def _cpu_quota(group: Group) -> float | None:
    if group.version == 2:
        quota, _, period = group.text("cpu.max").strip().partition(" ")
    else:
        quota, period = group.text("cpu.cfs_quota_us").strip(), group.text("cpu.cfs_period_us").strip()
    return int(quota) / int(period) if quota.isdigit() and period.isdigit() and int(period) else None


def _memory_limit(group: Group) -> int | None:
    limit = group.number("memory.max" if group.version == 2 else "memory.limit_in_bytes")
    return None if limit is None or limit >= _UNLIMITED_V1 else limit


def _has(group: Group, controller: str) -> bool:
    file = {"cpu": "cpu.stat", "memory": "memory.current", "pids": "pids.current"}[controller]
    return (group.path / file).exists()


def _memberships(pid: int | str, root: Path) -> Iterator[tuple[list[str], str]]:
    """Controllers (one empty name for version 2) and path, a line of /proc/PID/cgroup each."""
    for line in read_text(root / "proc" / str(pid) / "cgroup").splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        yield controllers.split(","), path


def _mounts(root: Path) -> list[tuple[list[str], str, str, int]]:
    """Controllers, the group that is mounted, where, and the version. Version 1 first: a host that has both keeps its
    controllers there."""
    found = []
    for line in read_text(root / "proc/self/mountinfo").splitlines():
        before, separator, after = line.partition(" - ")
        fields, kind = before.split(), after.split()
        if separator and len(fields) > 4 and len(kind) > 2 and kind[0] in ("cgroup", "cgroup2"):
            version = 2 if kind[0] == "cgroup2" else 1
            found.append((kind[2].split(","), _unescaped(fields[3]), _unescaped(fields[4]), version))
    return sorted(found, key=lambda mount: mount[3])


def _upwards(root: Path, mount: str, mounted_root: str, path: str) -> Iterator[Path]:
    """Directories from a group up to the mount point. A container may see its own group mounted as the topmost one,
    under a path that it cannot see; then the mount point is all there is."""
    top = root / mount.lstrip("/")
    below = path.removeprefix(mounted_root.rstrip("/")) if path.startswith(mounted_root.rstrip("/")) else ""
    place = top / below.lstrip("/")
    if not place.is_dir() or ".." in Path(below).parts:
        place = top
    while place != top:
        yield place
        place = place.parent
    yield top


def _unescaped(text: str) -> str:
    r"""As /proc writes paths: `\040` for a space."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), text)


def read_text(path: Path) -> str:
    """A file's content; empty when it cannot be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
