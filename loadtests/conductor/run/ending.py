"""end.json: whether the load was what the scenario asked for, and what was begun, written and lost.

Pure, but for counting rows in files.
"""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final

from loadtests.conductor.failures import COMPLETED, Reason
from loadtests.conductor.run.live import LoadState, Worker
from loadtests.conductor.run.local_errors import LocalErrors
from loadtests.records.hostload import host_load, read_host
from loadtests.records.probe_coverage import blind_time, read_ticks
from loadtests.records.reservation import reserved
from loadtests.records.rundirectory import RunDirectory, count_rows
from loadtests.records.tables import FORMAT, TABLES
from loadtests.scenario import Scenario
from loadtests.scenario.completeness import StageFigures, planned_figures, shortfalls, with_lengths
from loadtests.scenario.stages import timeline

MAX_DETAILS: Final = 20
"""Details of connection failures that are kept."""

CPU_SHARE: Final = 0.9
"""Of what a worker may use."""

RUN_QUEUE_SHARE: Final = 0.5
THROTTLED_SHARE: Final = 0.2
LATE_SHARE: Final = 0.01
STANDSTILL_S: Final = 3.0

_ALPHA: Final = 0.05

_NAMED: Final = 3
"""Differences that are named in a sentence when there are more."""


@dataclass(frozen=True)
class Ending:
    """How a run ended. `ended_ns` is when the load had; `observed` whether there was an observer; `stages` are those of
    the load, planned and actual."""

    reason: Reason
    ended_ns: int
    load: LoadState
    observed: bool
    stages: Sequence[StageFigures] = ()
    local_errors: Mapping[str, LocalErrors] = field(default_factory=dict)
    """Of pods, database servers and observer by their names, and of the `control group`."""


def end_document(ending: Ending, directory: RunDirectory) -> dict[str, Any]:
    rows, later = count_rows(directory), {table.name for table in TABLES.values() if table.later}
    written = sum(n for name, n in rows.items() if name.startswith("operations-"))
    workers = _workers(ending.load, directory)
    return {
        "format": FORMAT,
        "reason": ending.reason.code,
        "detail": ending.reason.detail,
        "ended_ns": ending.ended_ns,
        "rows": {name: n for name, n in rows.items() if name not in later},
        "later_rows": {name: n for name, n in rows.items() if name in later},
        "operations": operations(workers, written, ending.load.drained),
        "late_starts": {"count": sum(w.late_starts for w in workers), "of": sum(w.starts for w in workers)},
        "load": {"stages": stage_documents(ending.stages)},
        "generator": generator(workers, ending.load.drained),
        "connection_failures": connection_failures(
            (w.connection_failures for w in workers), exact=ending.load.drained and all(w.drained for w in workers)
        ),
        "local_errors": {name: dict(found) for name, found in ending.local_errors.items() if found},
        "host": host(ending, directory),
        "observer": observer(ending, directory),
    }


def lost_operations(load: LoadState, directory: RunDirectory) -> int | None:
    """Operations that were begun and have no row; None where it is not known."""
    written = sum(batch.num_rows for batch in directory.batches("operations"))
    return operations(_workers(load, directory), written, load.drained)["lost"]


def _workers(load: LoadState, directory: RunDirectory) -> list[Worker]:
    """With what they had reserved by their own files: word of it by way of the master comes late, or never where the
    master stands still (2 rows were missing where 0 at most could be)."""
    return [
        replace(worker, reserved=max(worker.reserved, reserved(directory.reservation_path(worker.worker))))
        for worker in load.workers.values()
    ]


def operations(workers: Iterable[Worker], written: int, drained: bool) -> dict[str, int | None]:
    """`written` is counted in the files. The number that a worker began is exact only if reported at its end."""
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
    names = (
        "worker", "cpu_share", "cpu_allowed", "run_queue_share", "throttled_share", "late_starts", "stood_still_s",
        "unstamped_connections",
    )  # fmt: skip
    return {
        "saturated": saturated(workers, drained),
        "reasons": list(saturation_signals(workers)),
        "local_errors": local_errors(workers),
        "workers": [{name: getattr(worker, name) for name in names} for worker in workers],
    }


def host(ending: Ending, directory: RunDirectory) -> Mapping[str, Any] | None:
    """What else the host was busy with while the load went on; None when that was not observed."""
    samples = read_host(directory)
    starts = [stage["started_ns"] for stage in ending.load.stages]
    if not samples or not starts:
        return None
    return host_load(samples, min(starts), ending.ended_ns).document()


def observer(ending: Ending, directory: RunDirectory) -> Mapping[str, Any] | None:
    if not ending.observed:
        return None
    starts = [stage["started_ns"] for stage in ending.load.stages]
    blind_s, reason = blind_time(read_ticks(directory), min(starts, default=ending.ended_ns), ending.ended_ns)
    return {"blind_s": round(blind_s, 3), "reason": reason}


def doubtful(end: Mapping[str, Any]) -> Iterator[str]:
    """Sentences about what this host lacked while the load went on, for the terminal."""
    short = {"the load generator": end["generator"]["local_errors"], **end["local_errors"]}
    for name, found in short.items():
        if found:
            resources = ", ".join(f"{resource} ({count:,} times)" for resource, count in found.items())
            yield f"this host ran out of resources for {name}: {resources}; the storage is not to blame for that"
    untimed = sum(worker["unstamped_connections"] for worker in end["generator"]["workers"])
    if untimed:
        yield f"arrivals were timed on reading on {untimed:,} connections: the kernel has no SO_TIMESTAMPNS"
    if end["host"] and end["host"]["reason"]:
        yield str(end["host"]["reason"])


def connection_failures(summaries: Iterable[Mapping[str, Any] | None], *, exact: bool) -> dict[str, Any]:
    """`connection_failures` of `end.json`; without `exact` the counts are what was known of workers that were lost."""
    by_stage: dict[str, Counter[str]] = {}
    details: Counter[tuple[str, str]] = Counter()
    for summary in summaries:
        for stage, counts in ((summary or {}).get("by_stage") or {}).items():
            by_stage.setdefault(stage, Counter()).update(counts)
        for error, detail, count in (summary or {}).get("details") or ():
            details[error, detail] += count
    return {
        "exact": exact,
        "http_statuses": _ordered(sum(by_stage.values(), Counter())),
        "http_statuses_by_stage": {stage: _ordered(counts) for stage, counts in by_stage.items()},
        "details": [
            {"error": error, "detail": detail, "count": count}
            for (error, detail), count in details.most_common(MAX_DETAILS)
        ],
    }


def _ordered(counts: Mapping[str, int]) -> dict[str, int]:
    return {status: counts[status] for status in sorted(counts)}


def saturation_signals(workers: Sequence[Worker]) -> Iterator[str]:
    """The signals that were exceeded: `cpu`, `run_queue`, `throttling`, `standstill`, `late_starts`,
    `local_errors`."""
    if any((w.cpu_share or 0.0) > CPU_SHARE * w.cpu_allowed for w in workers):
        yield "cpu"
    if any(w.run_queue_share > RUN_QUEUE_SHARE for w in workers):
        yield "run_queue"
    if any(w.throttled_share > THROTTLED_SHARE for w in workers):
        yield "throttling"
    if any(w.stood_still_s > STANDSTILL_S for w in workers):
        yield "standstill"
    if more_than(LATE_SHARE, sum(w.late_starts for w in workers), sum(w.starts for w in workers)):
        yield "late_starts"
    if local_errors(workers):
        yield "local_errors"


def local_errors(workers: Sequence[Worker]) -> dict[str, int]:
    """By resource, over all workers."""
    total: Counter[str] = Counter()
    for worker in workers:
        total.update(worker.local_errors)
    return dict(sorted(total.items()))


def saturated(workers: Sequence[Worker], drained: bool) -> bool | None:
    """Whether a signal was exceeded; None when a worker was lost before it could report."""
    if any(saturation_signals(workers)):
        return True
    reported = drained and bool(workers) and all(w.drained and w.cpu_share is not None for w in workers)
    return False if reported else None


def more_than(share: float, count: int, of: int) -> bool:
    """Whether `count` of `of` proves a true share above `share`: so many are seen in one case of twenty at most when
    it is not (exact, binomial). One of eight proves nothing about 1 %."""
    if count <= share * of:
        return False
    fewer = sum(_probability(k, of, share) for k in range(count))
    return 1.0 - fewer < _ALPHA


def _probability(k: int, n: int, share: float) -> float:
    ways = math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
    return math.exp(ways + k * math.log(share) + (n - k) * math.log1p(-share))


def stage_figures(load: LoadState, scenario: Scenario, seed: int) -> list[StageFigures]:
    """Each stage, planned and actual; None where the load has reported nothing."""
    planned = planned_figures(timeline(scenario.stages), scenario.customer.arrivals, seed)
    starts = [(str(stage["name"]), stage["started_ns"] / 1e9) for stage in load.stages]
    if load.stopped_ns is None:
        return planned
    stages = with_lengths(planned, starts, load.stopped_ns / 1e9)
    return [_with_load(stage, number, load) for number, stage in enumerate(stages)]


def _with_load(stage: StageFigures, number: int, load: LoadState) -> StageFigures:
    arrivals = [worker.arrivals[number] for worker in load.workers.values() if number < len(worker.arrivals)]
    missing, extra = load.agents_missing or [], load.agents_extra or []
    return replace(
        stage,
        agents_missing=missing[number] if number < len(missing) else None,
        agents_extra=extra[number] if number < len(extra) else None,
        arrivals_begun=sum(arrivals),
    )


def checked(reason: Reason, stages: Sequence[StageFigures], lost: int | None) -> Reason:
    """The run's reason: `incomplete` in place of `completed` where the load was not what was asked for. `lost` are
    the operations that left no row; None: not known."""
    if reason.code != COMPLETED.code:
        return reason
    found = shortfalls(stages)
    if lost != 0:
        found.append("operations without a row: " + ("not known how many" if lost is None else f"{lost}"))
    if not found:
        return reason
    more = f" (and {len(found) - _NAMED} more)" if len(found) > _NAMED else ""
    return Reason("incomplete", "; ".join(found[:_NAMED]) + more)


def stage_documents(stages: Sequence[StageFigures]) -> list[dict[str, Any]]:
    """The stages as end.json has them, times to the millisecond."""
    return [
        {**asdict(stage), "lasted_s": None if stage.lasted_s is None else round(stage.lasted_s, 3)} for stage in stages
    ]
