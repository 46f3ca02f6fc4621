"""end.json: the arithmetic of what was begun, written and lost. Pure, but for counting rows in files."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from loadtests.conductor.blindness import blindness
from loadtests.conductor.connectionfailures import connection_failures
from loadtests.conductor.failures import Reason
from loadtests.conductor.live import Load, Worker
from loadtests.conductor.loadcheck import stage_documents
from loadtests.records.kept import count_rows
from loadtests.records.rundirectory import RunDirectory
from loadtests.records.sight import read_ticks
from loadtests.records.tables import FORMAT
from loadtests.scenario.completeness import StageFigures

SATURATED_CPU_SHARE = 0.9
SATURATED_LATE_SHARE = 0.01
SATURATED_STANDSTILL_S = 3.0


@dataclass(frozen=True)
class Ending:
    """How a run ended. `ended_ns` is when the load had; `observed` whether there was an observer; `stages` are those of
    the load, planned and actual."""

    reason: Reason
    ended_ns: int
    load: Load
    observed: bool
    stages: Sequence[StageFigures] = ()


def end_document(ending: Ending, directory: RunDirectory) -> dict[str, Any]:
    rows = count_rows(directory)
    written = sum(n for name, n in rows.items() if name.startswith("operations-"))
    workers = list(ending.load.workers.values())
    return {
        "format": FORMAT,
        "reason": ending.reason.code,
        "detail": ending.reason.detail,
        "ended_ns": ending.ended_ns,
        "rows": rows,
        "operations": operations(workers, written, ending.load.drained),
        "late_starts": {"count": sum(w.late_starts for w in workers), "of": sum(w.starts for w in workers)},
        "load": {"stages": stage_documents(ending.stages)},
        "generator": generator(workers, ending.load.drained),
        "connection_failures": connection_failures(
            (w.connection_failures for w in workers), exact=ending.load.drained and all(w.drained for w in workers)
        ),
        "observer": observer(ending, directory),
    }


def lost_operations(load: Load, directory: RunDirectory) -> int | None:
    """Operations that were begun and have no row; None where it is not known."""
    written = sum(batch.num_rows for batch in directory.batches("operations"))
    return operations(load.workers.values(), written, load.drained)["lost"]


def operations(workers: Iterable[Worker], written: int, drained: bool) -> dict[str, int | None]:
    """`written` is counted in the files. What a worker began is exact only when it lived to say so."""
    workers = list(workers)
    begun = sum(w.begun for w in workers)
    exact = drained and all(w.drained for w in workers)
    missing = max(begun - written, 0)
    missing_at_most = max(sum(w.begun if w.drained else max(w.begun, w.reserved) for w in workers) - written, 0)
    counted: dict[str, int | None] = {
        "begun": max(begun, written),
        "written": written,
        "in_flight": sum(w.in_flight for w in workers),
        "lost": missing if exact else None,
    }
    return counted if exact else {**counted, "lost_at_most": missing_at_most}


def generator(workers: Iterable[Worker], drained: bool) -> dict[str, Any]:
    workers = list(workers)
    names = ("worker", "cpu_share", "late_starts", "stood_still_s", "unstamped_connections")
    told = [{name: getattr(worker, name) for name in names} for worker in workers]
    return {"saturated": saturated(workers, drained), "workers": told}


def saturated(workers: Iterable[Worker], drained: bool) -> bool | None:
    """Whether the generator was too slow for its own plan; None when somebody did not live to tell."""
    workers = list(workers)
    starts = sum(w.starts for w in workers)
    late = sum(w.late_starts for w in workers) > SATURATED_LATE_SHARE * starts
    busy = any((w.cpu_share or 0.0) > SATURATED_CPU_SHARE for w in workers)
    if late or busy or any(w.stood_still_s > SATURATED_STANDSTILL_S for w in workers):
        return True
    told = drained and bool(workers) and all(w.drained and w.cpu_share is not None for w in workers)
    return False if told else None


def observer(ending: Ending, directory: RunDirectory) -> Mapping[str, Any] | None:
    if not ending.observed:
        return None
    starts = [stage["started_ns"] for stage in ending.load.stages]
    blind_s, reason = blindness(read_ticks(directory), min(starts, default=ending.ended_ns), ending.ended_ns)
    return {"blind_s": round(blind_s, 3), "reason": reason}
