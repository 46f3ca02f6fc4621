"""Run directories → evidence: the only place of the gate that opens a run's files."""

import contextlib
import hashlib
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from loadtests.records.files import UnreadableError, entries
from loadtests.records.hostload import HostLoad, Sample, host_load, read_host
from loadtests.records.probe_coverage import by_probe, read_ticks
from loadtests.records.rundirectory import RunDirectory, run_directories, short_files
from loadtests.records.shapes import check_shape
from loadtests.records.tables import FORMAT
from loadtests.scenario.completeness import agent_shortfalls
from reports.data.contract import RunStage, judged, length_ns, merged
from reports.data.deliveries import DELIVER, loss_of, read_deliveries
from reports.data.generator import exhausted, local_errors, slowed, strain
from reports.data.judged_time import blind_times, overlap_ns
from reports.data.objective import Objective, Objectives, of_pods
from reports.data.runs import pods_of, requested_storage, storages_by_run
from reports.data.timeline import stages
from reports.gate.inputs.actions import undone_actions
from reports.gate.inputs.completeness import missing_load, planned_actions
from reports.gate.inputs.counting import Excuses, count_batches, grid_of
from reports.gate.inputs.delays import generator_delay, host_delay
from reports.gate.inputs.delivery_counts import DeliveryCounting, DeliveryCounts
from reports.gate.inputs.evidence import Evidence, Kept, LedgerCheck, ProbeCoverage, RunEvidence

_S = 1_000_000_000

WAIT_FOR_OTHERS = frozenset({"chat.answer"})
"""Operations of one user that end by an action of another: an agent who cannot connect accepts no chat."""
_MOST_SHOWN = 3
"""Number of incomplete files that are named."""

Json = Mapping[str, Any]


def study_storages(study: Path) -> dict[str, list[RunDirectory]]:
    """The runs of each storage, in the order they were made. Raises FileNotFoundError when the study is not there."""
    storages: dict[str, list[RunDirectory]] = {}
    for run, storage in storages_by_run({run: _storage(run) for run in run_directories(study)}).items():
        storages.setdefault(storage, []).append(run)
    return storages


def state(study: Path) -> dict[str, tuple[tuple[str, int, int], ...]]:
    """Run → name, size and time of change of each of its files. Two that are equal: nothing was written between."""
    return {run.name: tuple(sorted(_files(run.path))) for run in run_directories(study)}


def _files(directory: Path) -> Iterator[tuple[str, int, int]]:
    """None of a directory that cannot be read: that is a fault of its run."""
    with contextlib.suppress(UnreadableError):
        for name, found in entries(directory):
            if stat.S_ISREG(found.st_mode):
                yield name, found.st_size, found.st_mtime_ns


def read_evidence(storages: Mapping[str, Sequence[RunDirectory]], objectives: Sequence[Objective]) -> Evidence:
    """The evidence of these runs. A run that cannot be read contains the reason; nothing is raised."""
    made = sorted(((run, storage) for storage, runs in storages.items() for run in runs), key=lambda r: r[0].number)
    return Evidence(tuple(_guarded_run(run, storage, objectives) for run, storage in made))


def with_pods(objectives: Objectives, storages: Mapping[str, Sequence[RunDirectory]]) -> Objectives:
    """The objectives, with one more for each pod of these runs where they are judged by pod."""
    pods: dict[str, None] = {}
    for run in (run for runs in storages.values() for run in runs):
        with contextlib.suppress(UnreadableError):  # a fault of its run
            pods |= dict.fromkeys(_several_pods(run, run.read("manifest") or {}))
    return replace(objectives, objectives=of_pods(objectives.objectives, pods))


def _several_pods(run: RunDirectory, manifest: Json) -> tuple[str, ...]:
    pods = pods_of(run, manifest)
    return pods if len(pods) > 1 else ()


def _storage(run: RunDirectory) -> str | None:
    try:
        return requested_storage(run.read("manifest") or {})
    except UnreadableError:
        return None


def _guarded_run(run: RunDirectory, storage: str, objectives: Sequence[Objective]) -> RunEvidence:
    try:
        return _run(run, storage, objectives)
    except UnreadableError as error:
        return RunEvidence(run.name, storage, broken=str(error))
    except Exception as error:  # any error in its files makes the run unknown
        return RunEvidence(run.name, storage, broken=f"cannot be read: {type(error).__name__}: {error}")


def _run(run: RunDirectory, storage: str, objectives: Sequence[Objective]) -> RunEvidence:
    manifest, end = run.read("manifest"), run.read("end")
    if manifest is None:
        return RunEvidence(run.name, storage, broken=_never_began(end))
    found_format = _required(manifest, "format", "manifest")
    if found_format != FORMAT:
        return RunEvidence(run.name, storage, broken=f"format {found_format}, where {FORMAT} was expected")
    ended, started_at = end or {}, manifest.get("started_at")
    known = RunEvidence(
        run.name,
        storage,
        _required(manifest, "round", "manifest"),
        started_at=started_at if isinstance(started_at, str) else None,
        lasted_s=_required(end, "ended_ns", "end") / _S if end is not None else None,
    )
    timeline = [row for batch in run.batches("timeline") for row in batch.to_pylist()]
    if problem := _not_whole(run, timeline, end):
        return replace(known, broken=problem)
    happened = stages(timeline, manifest, ended)
    excuses, load = read_excuses(run, ended, happened)
    of_rows = [objective for objective in objectives if objective.operation != DELIVER]
    grid = grid_of(judged(happened))
    counted = count_batches(run.batches("operations"), judged(happened), of_rows, excuses, grid)
    kept = _kept(_required(end, "operations", "end"), counted.rows) if end is not None else None
    ledger, pushed = _ledger(run), [objective for objective in objectives if objective.operation == DELIVER]
    loss, every_row = (
        loss_of(None if ledger is None else map(vars, ledger)),
        kept is not None and kept.lost == 0 and kept.missing_at_most == 0,
    )
    delivered: dict[str, DeliveryCounts] = {}
    if pushed:  # the table is read a second time
        counting = DeliveryCounting(read_deliveries(run), judged(happened), excuses, loss, every_row, grid)
        delivered = {objective.name: counting.count(objective) for objective in pushed}
    promises = (manifest.get("engine") or {}).get("promises") or {}
    without_plan = _without_plan(run, manifest)
    return replace(
        known,
        reason=_required(end, "reason", "end") if end is not None else None,
        detail=ended.get("detail") or "",
        missing_load=missing_load(run, manifest, ended, timeline) if end is not None and not without_plan else (),
        without_plan=without_plan,
        undone_actions=undone_actions(timeline, None if without_plan else planned_actions(run)),
        other_agents=_other_agents(ended),
        kept=kept,
        saturated=(ended.get("generator") or {}).get("saturated"),
        strain=strain(ended),
        slowed=slowed(ended),
        exhausted=exhausted(ended),
        host_load=load.reason if load is not None else "",
        coverage=_coverage(run, ended, happened),
        no_orphans=promises.get("no_orphans"),
        commit_survives=promises.get("commit_survives"),
        ledger=ledger,
        pods=_several_pods(run, manifest),
        counts={**counted.counts, **{name: found.counts for name, found in delivered.items()}},
        blocks={**counted.blocks, **{name: found.blocks for name, found in delivered.items()}},
        grid=grid,
        unseen=dict.fromkeys(delivered, loss.unknown) if loss.unknown else {},
        manifest=manifest,
    )


def read_excuses(run: RunDirectory, end: Json, happened: Sequence[RunStage]) -> tuple[Excuses, HostLoad | None]:
    """What may have failed without the storage, and other load of the host. `end` is empty while the run lasts."""
    samples = read_host(run)
    load = _host_load(samples, end, judged(happened))
    awaiting = WAIT_FOR_OTHERS if local_errors(end) else frozenset[str]()
    windows = load.affected() if load is not None else ()
    return Excuses(awaiting, generator_delay(end, samples), windows, host_delay(samples)), load


def _without_plan(run: RunDirectory, manifest: Json) -> str:
    """Compare the scenario with the checksum in the manifest."""
    named = (manifest.get("scenario") or {}).get("sha256")
    if named is None:
        return ""
    try:
        text = run.read_text("scenario.yaml")
    except UnreadableError as error:
        return str(error)
    if text is None:
        return "scenario.yaml is missing"
    return (
        ""
        if hashlib.sha256(text.encode()).hexdigest() == named
        else "scenario.yaml is not the file that the manifest names"
    )


def _other_agents(end: Json) -> tuple[str, ...]:
    """Also empty for runs of older versions, which do not record it."""
    stages = (end.get("load") or {}).get("stages") or ()
    names = ("name", "agents", "agents_missing", "agents_extra")
    return tuple(text for stage in stages for text in agent_shortfalls(*(stage.get(name) for name in names)))


def _host_load(samples: Sequence[Sample], end: Json, windows: Sequence[tuple[int, int]]) -> HostLoad | None:
    """Other load from the first judged moment to the last; None where it was not observed."""
    if not samples or not windows:
        return None
    return host_load(samples, windows[0][0], min(windows[-1][1], end.get("ended_ns") or windows[-1][1]))


def _not_whole(run: RunDirectory, timeline: Sequence[Json], end: Json | None) -> str:
    """Why these files cannot be judged: with rows missing, a part of the run would not be judged."""
    if end is None:
        return ""  # aborted, and unknown for that
    if not any(row["kind"] == "stage" for row in timeline):
        return "timeline.arrows has no stage: the judged time is unknown; was the run copied completely?"
    return "; ".join(map(str, short_files(run, end)[:_MOST_SHOWN]))


def _required(content: Json, key: str, document: str) -> Any:
    if content.get(key) is None:
        raise UnreadableError(f"{document}.json has no {key}")
    return content[key]


def _never_began(end: Json | None) -> str:
    why = f"{end.get('reason')}: {end.get('detail')}" if end is not None else "aborted: there is no manifest.json"
    return f"it never began, {why}"


def _kept(operations: Json, found: int) -> Kept:
    if "lost" not in operations:
        raise UnreadableError("end.json does not say how many operations were lost")
    written = operations.get("written")
    if written is None:
        raise UnreadableError("end.json does not say how many operations were written")
    return Kept(operations["lost"], operations.get("lost_at_most"), written, found)


def _ledger(run: RunDirectory) -> tuple[LedgerCheck, ...] | None:
    document = run.read("ledger")
    if document is None:
        return None
    checks = document.get("checks")
    if checks is None:
        raise UnreadableError("ledger.json has no checks")
    for number, check in enumerate(checks):
        check_shape("ledger check", check, f"ledger.json: checks[{number}]")
    return tuple(
        LedgerCheck(c["check"], c["verdict"], c["count"], c.get("reason") or "", c.get("known") or "") for c in checks
    )


def _coverage(run: RunDirectory, end: Json, happened: Sequence[RunStage]) -> ProbeCoverage | None:
    """Coverage by the probe with the least. Time that the observer reports as missed counts as judged time, unless
    ticks place it elsewhere."""
    if not end.get("observer"):
        return None
    counted = merged((begin, min(stop, end["ended_ns"])) for begin, stop in judged(happened))
    reported_s, judged_s = end["observer"]["blind_s"], length_ns(counted) / _S
    probes = by_probe(read_ticks(run))
    if not probes:
        return ProbeCoverage(judged_s, judged_s, "it left no ticks")
    load = min((stage.started_ns for stage in happened), default=0), end["ended_ns"]
    blind = blind_times(probes.values(), *load)
    in_judged = max(overlap_ns(windows, counted) for windows in blind) / _S
    placed = max(length_ns(windows) for windows in blind) / _S
    unplaced = min(max(0.0, reported_s - placed), judged_s)
    return ProbeCoverage(judged_s, max(in_judged, unplaced), end["observer"].get("reason") or "")
