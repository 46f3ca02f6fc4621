"""Which faults the campaign injects, where and when. Pure."""

import random
from collections.abc import Iterator
from dataclasses import asdict, dataclass

STORAGES = ("sqlite", "postgres", "mariadb", "redis")

START, CALIBRATION, LOAD, END = "start", "calibration", "load", "end"
"""When a fault is injected: the pod's start, the calibration, the judged stage, the ledger after the load."""

HARNESS = ("conductor", "group_reaper", "observer", "master", "worker")
"""Processes of the harness itself: a fault in one must never fail the storage."""

SUBJECTS = ("pod", "database", "database_child")
SIGNALS = ("KILL", "STOP", "TERM", "HUP")
DISKS = ("disk_full", "disk_read_only")
REMOVALS = ("run_removed", "study_removed", "server_removed", "logs_removed")
DESCRIPTORS = (24, 48, 96, 192)
MEMORY_MB = (120, 200, 320)
SHRUNK = ("conductor", "observer", "worker", "pod")


@dataclass(frozen=True)
class Trial:
    """One fault. `target` is a process, or the size of a limit; empty where the fault has none."""

    storage: str
    fault: str
    target: str
    moment: str

    def __str__(self) -> str:
        return f"{self.fault} {self.target} at {self.moment}, {self.storage}".replace("  ", " ")

    def as_json(self) -> dict[str, str]:
        return asdict(self)


def controls() -> list[Trial]:
    """Control runs without a fault, which must complete and pass for the other trials to be meaningful."""
    return [Trial(storage, "none", "", LOAD) for storage in STORAGES]


def trials(count: int, seed: int) -> list[Trial]:
    """`count` different trials, every kind of fault among them; all there are when `count` is larger."""
    grid = list(dict.fromkeys(_grid()))
    random.Random(seed).shuffle(grid)
    kinds: dict[tuple[str, str], list[Trial]] = {}
    for trial in grid:
        kinds.setdefault((trial.fault, trial.target), []).append(trial)
    chosen: list[Trial] = []
    while len(chosen) < min(count, len(grid)):
        chosen += [kind.pop() for kind in kinds.values() if kind][: count - len(chosen)]
    return chosen


def _grid() -> Iterator[Trial]:
    for storage in STORAGES:
        yield from _signals(storage)
        for disk in DISKS:
            yield from (Trial(storage, disk, "", moment) for moment in (START, LOAD, END))
        for removal in REMOVALS:
            if removal != "server_removed" or storage != "sqlite":
                yield from (Trial(storage, removal, "", moment) for moment in (START, LOAD))
        yield from (Trial(storage, "few_descriptors", str(limit), START) for limit in DESCRIPTORS)
        yield from (Trial(storage, "little_memory", str(limit), START) for limit in MEMORY_MB)
        for process in SHRUNK:
            yield Trial(storage, "descriptors_shrunk", process, LOAD)
            yield Trial(storage, "memory_shrunk", process, LOAD)


def _signals(storage: str) -> Iterator[Trial]:
    subjects = ("pod",) if storage == "sqlite" else SUBJECTS[: 3 if storage == "postgres" else 2]
    servers = () if storage == "sqlite" else ("server_supervisor",)
    for signal in SIGNALS:
        for process in (*HARNESS, *servers, *subjects):
            yield Trial(storage, signal, process, LOAD)
        for process in ("conductor", "group_reaper", *servers, *subjects[:2]):
            yield Trial(storage, signal, process, START)
        yield Trial(storage, signal, "conductor", END)
        if storage != "sqlite":
            yield Trial(storage, signal, "database", END)
        if storage in ("postgres", "mariadb"):  # Redis has no locks: its calibration ends immediately
            yield Trial(storage, signal, "calibration", CALIBRATION)
            yield Trial(storage, signal, "conductor", CALIBRATION)
    yield Trial(storage, "KILL", "everything", LOAD)
