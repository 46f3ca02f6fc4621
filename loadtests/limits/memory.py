"""Memory: how much of it there is for us."""

from pathlib import Path
from typing import Final

from loadtests.limits.cgroups import ROOT, memory_limit

HOW: Final = "memory.max of the control group (MemoryMax= of a systemd unit, --memory of a container), or a larger host"


def total_bytes(root: Path = ROOT) -> int:
    """All of this host's, or what the control groups allow."""
    limit = memory_limit(root=root)
    return _of_host(root) if limit is None else min(limit, _of_host(root))


def _of_host(root: Path) -> int:
    for line in (root / "proc/meminfo").read_text(encoding="ascii").splitlines():
        key, _, value = line.partition(":")
        if key == "MemTotal":
            return int(value.split()[0]) * 1024
    raise ValueError("/proc/meminfo has no MemTotal")
