"""Processes and threads: how many more this user and this host's control groups allow."""

import os
import resource
from pathlib import Path
from typing import Final

from loadtests.limits.cgroups import ROOT, read_text, tasks_left

HOW: Final = "pids.max of the control group (TasksMax= of a systemd unit, --pids-limit of a container), ulimit -u"

_CAP_SYS_ADMIN: Final = 1 << 21
_CAP_SYS_RESOURCE: Final = 1 << 24


def free_tasks(root: Path = ROOT) -> int | None:
    """How many more processes and threads may be started here; None: no limit that would be met."""
    left = [n for n in (tasks_left(root=root), _left_to_user(root), _left_on_host(root)) if n is not None]
    return min(left, default=None)


def _left_to_user(root: Path) -> int | None:
    """By RLIMIT_NPROC, which does not hold for those who may exceed limits."""
    most = resource.getrlimit(resource.RLIMIT_NPROC)[0]
    if most == resource.RLIM_INFINITY or _exempt(root):
        return None
    return max(most - _tasks_of(os.getuid(), root), 0)


def _exempt(root: Path) -> bool:
    if os.getuid() == 0:
        return True
    effective = _fields(root / "proc/self/status").get("CapEff", "0")
    return bool(int(effective, 16) & (_CAP_SYS_ADMIN | _CAP_SYS_RESOURCE))


def _tasks_of(uid: int, root: Path) -> int:
    total = 0
    for place in (root / "proc").iterdir():
        if place.name.isdigit():
            fields = _fields(place / "status")
            if fields.get("Uid", "").split()[:1] == [str(uid)]:
                total += int(fields.get("Threads", "1"))
    return total


def _left_on_host(root: Path) -> int | None:
    """By the kernel's own limits on tasks and their numbers."""
    running = read_text(root / "proc/loadavg").split()
    total = int(running[3].partition("/")[2]) if len(running) > 3 else 0
    written = [read_text(root / "proc/sys/kernel" / name).strip() for name in ("threads-max", "pid_max")]
    most = [int(text) for text in written if text.isdigit()]
    return max(min(most) - total, 0) if most else None


def _fields(path: Path) -> dict[str, str]:
    return {name: value.strip() for name, _, value in (line.partition(":") for line in read_text(path).splitlines())}
