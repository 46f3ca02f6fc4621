"""Processor time: how much of it we may use, how much the host has used, how long threads have waited for it."""

import os
from collections.abc import Iterable
from pathlib import Path

from loadtests.limits.cgroups import ROOT, Group, cpu_quota, groups, read_text


def allowed_cores(root: Path = ROOT) -> float:
    """How many cores this process and its like may use at once: by affinity, and by the quota of its control groups."""
    cores = float(len(os.sched_getaffinity(0)))
    quota = cpu_quota(root=root)
    return cores if quota is None else min(cores, quota)


def allowed_share(root: Path = ROOT) -> float:
    """How much of one core a single thread may use: 1, or less under a quota of less than a core."""
    return min(1.0, allowed_cores(root))


def busy_ns(cpus: Iterable[int], root: Path = ROOT) -> int:
    """Time that these processors have been busy since the host began, time stolen by its hypervisor included."""
    wanted = {f"cpu{number}" for number in cpus}
    tick_ns = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
    total = 0
    for line in read_text(root / "proc/stat").splitlines():
        name, _, rest = line.partition(" ")
        if name in wanted:
            fields = [int(field) for field in rest.split()]
            total += sum(fields[:8]) - sum(fields[3:5])  # idle and iowait; guests are in user time already
    return total * tick_ns


def pressure_us(resource: str, root: Path = ROOT) -> dict[str, int]:
    """Total time (µs) in which `some` or all (`full`) tasks stood still for want of `cpu`, `memory` or `io`: of this
    process's control group if it reports them, else of the host; empty where the kernel does not measure it."""
    for text in _pressures(resource, root):
        found = dict(_pressure(text))
        if found:
            return found
    return {}


def _pressures(resource: str, root: Path) -> Iterable[str]:
    own: list[Group] = [group for group in groups("cpu", root=root)[:1] if group.version == 2]
    yield from (group.text(f"{resource}.pressure") for group in own)
    yield read_text(root / "proc/pressure" / resource)


def _pressure(text: str) -> Iterable[tuple[str, int]]:
    """`some avg10=0.00 avg60=0.00 avg300=0.00 total=12` → `some`, 12."""
    for line in text.splitlines():
        kind, _, rest = line.partition(" ")
        total = rest.rpartition("total=")[2]
        if total.isdigit():
            yield kind, int(total)


def run_queue_wait_ns(pid: int, root: Path = ROOT) -> int:
    """How long the threads of a process that live now have waited for a processor while they could have run."""
    total = 0
    try:
        tasks = os.listdir(root / "proc" / str(pid) / "task")  # noqa: PTH208  a tick of the observer: plain calls
    except OSError:
        return 0
    for task in tasks:
        fields = read_text(root / "proc" / str(pid) / "task" / task / "schedstat").split()
        total += int(fields[1]) if len(fields) == 3 else 0
    return total
