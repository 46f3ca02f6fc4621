"""Processor time and memory of process trees, from /proc: cheaper than psutil, and it has the children that ended."""

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass


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


def tree_waits(pid: int) -> Iterator[tuple[int, int]]:
    """Thread and how long (ns) it has waited for a processor, of a process and all below it that live now."""
    for process in _tree(pid):
        try:
            tasks = os.listdir(f"/proc/{process}/task")  # noqa: PTH208
        except (FileNotFoundError, ProcessLookupError):
            continue
        for task in tasks:
            with suppress(FileNotFoundError, ProcessLookupError):
                fields = _read(f"/proc/{process}/task/{task}/schedstat").split()
                if len(fields) == 3:
                    yield int(task), int(fields[1])


def _tree(pid: int) -> Iterator[int]:
    yield pid
    for child in _children(pid):
        yield from _tree(child)


def _children(pid: int) -> list[int]:
    """Plain `os` calls: this runs for every process of the run at every tick."""
    try:
        tasks = os.listdir(f"/proc/{pid}/task")  # noqa: PTH208
        return [int(child) for task in tasks for child in _child_list(pid, task)]
    except (FileNotFoundError, ProcessLookupError):
        return []


def _child_list(pid: int, task: str) -> list[bytes]:
    return _read(f"/proc/{pid}/task/{task}/children").split()


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
