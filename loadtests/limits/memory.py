"""Memory: how much of it there is for us, and how much of that is left."""

from pathlib import Path
from typing import Final

from loadtests.limits.cgroups import ROOT, memory_left, memory_limit

HOW: Final = "memory.max of the control group (MemoryMax= of a systemd unit, --memory of a container), or a larger host"


def total_bytes(root: Path = ROOT) -> int:
    """All of this host's, or what the control groups allow."""
    limit = memory_limit(root=root)
    return _host("MemTotal", root) if limit is None else min(limit, _host("MemTotal", root))


def free_bytes(root: Path = ROOT) -> int:
    """What can be used without swapping or being killed."""
    left = memory_left(root=root)
    return _host("MemAvailable", root) if left is None else min(left, _host("MemAvailable", root))


def _host(name: str, root: Path) -> int:
    for line in (root / "proc/meminfo").read_text(encoding="ascii").splitlines():
        key, _, value = line.partition(":")
        if key == name:
            return int(value.split()[0]) * 1024
    raise ValueError(f"/proc/meminfo has no {name}")
