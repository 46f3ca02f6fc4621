"""Run directories → evidence: the only place of the gate that opens a run's files."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from loadtests.records.rundirectory import RunDirectory, run_directories, safe_name
from loadtests.records.tables import FORMAT
from reports.gate.counting import count_batches
from reports.gate.evidence import Evidence, Kept, LedgerCheck, RunEvidence, Sight
from reports.gate.judged_time import Window, blind_windows, length_ns, merged, overlap_ns
from reports.gate.objectives import Objective

_S = 1_000_000_000
_FOREVER = 2**62

Json = Mapping[str, Any]


def study_storages(study: Path) -> dict[str, list[RunDirectory]]:
    """The runs of each storage, in the order they were made. Raises FileNotFoundError when the study is not there.

    A run that cannot say its storage goes by its directory's name, to its siblings where they are.
    """
    named = {run: _storage(run) for run in run_directories(study)}
    known = {safe_name(storage): storage for storage in named.values() if storage is not None}
    storages: dict[str, list[RunDirectory]] = {}
    for run, storage in named.items():
        by_name = run.name.partition("-")[2]
        storages.setdefault(storage or known.get(by_name, by_name), []).append(run)
    return storages


def read_evidence(storages: Mapping[str, Sequence[RunDirectory]], objectives: Sequence[Objective]) -> Evidence:
    """The evidence of these runs. A run that cannot be read says why; nothing is raised."""
    runs = [_guarded_run(run, storage, objectives) for storage, runs in storages.items() for run in runs]
    return Evidence(tuple(sorted(runs, key=lambda r: r.run)))


def _storage(run: RunDirectory) -> str | None:
    try:
        manifest = run.read("manifest") or {}
        named = manifest.get("storage") or manifest.get("label")
        return str(named) if named else None
    except (OSError, ValueError, AttributeError):
        return None


def _guarded_run(run: RunDirectory, storage: str, objectives: Sequence[Objective]) -> RunEvidence:
    try:
        return _run(run, storage, objectives)
    except Exception as error:  # whatever is wrong with its files, the run is unknown
        return RunEvidence(run.name, storage, broken=f"cannot be read: {type(error).__name__}: {error}")


def _run(run: RunDirectory, storage: str, objectives: Sequence[Objective]) -> RunEvidence:
    manifest, end = run.read("manifest"), run.read("end")
    if manifest is None:
        return RunEvidence(run.name, storage, broken="aborted before it began: there is no manifest.json")
    if manifest["format"] != FORMAT:
        return RunEvidence(run.name, storage, broken=f"format {manifest['format']}, where {FORMAT} was expected")
    windows = _judged_windows(run, manifest)
    counts, found = count_batches(run.batches("operations"), windows, objectives)
    promises = (manifest.get("engine") or {}).get("promises") or {}
    ended = end or {}
    return RunEvidence(
        run.name,
        storage,
        manifest["round"],
        reason=ended.get("reason"),
        detail=ended.get("detail", ""),
        kept=_kept(ended["operations"], found) if end is not None else None,
        saturated=ended.get("generator", {}).get("saturated"),
        sight=_sight(run, ended, windows),
        no_orphans=promises.get("no_orphans"),
        commit_survives=promises.get("commit_survives"),
        ledger=_ledger(run),
        counts=counts,
        settings=_settings(manifest),
        surroundings=_surroundings(manifest),
    )


def _judged_windows(run: RunDirectory, manifest: Json) -> tuple[Window, ...]:
    """The judged stages as they happened; as they were planned where there is no timeline."""
    rows = [row for batch in run.batches("timeline") for row in batch.to_pylist() if row["kind"] == "stage"]
    if rows:
        judged = (row for row in rows if json.loads(row["detail"])["judge"])
        return merged((r["started_ns"], _FOREVER if r["ended_ns"] is None else r["ended_ns"]) for r in judged)
    planned = (stage for stage in manifest["stages"] if stage["judge"])
    return merged((round(s["starts_s"] * _S), round((s["starts_s"] + s["duration_s"]) * _S)) for s in planned)


def _kept(operations: Json, found: int) -> Kept:
    return Kept(operations["lost"], operations.get("lost_at_most"), operations["written"], found)


def _ledger(run: RunDirectory) -> tuple[LedgerCheck, ...] | None:
    document = run.read("ledger")
    if document is None:
        return None
    return tuple(LedgerCheck(c["check"], c["verdict"], c["count"], c.get("reason") or "") for c in document["checks"])


def _sight(run: RunDirectory, end: Json, windows: Sequence[Window]) -> Sight | None:
    """The probe that saw least counts. What the observer says it missed, and the ticks do not place outside of judged
    time, was in it."""
    if not end.get("observer"):
        return None
    windows = merged((begin, min(stop, end["ended_ns"])) for begin, stop in windows)
    told_s, judged_ns = end["observer"]["blind_s"], length_ns(windows)
    probes = [_blind(ticks, end["ended_ns"]) for ticks in _ticks(run).values()]
    if not probes:
        return Sight(judged_ns / _S, judged_ns / _S, "it left no ticks")
    in_judged = max(overlap_ns(blind, windows) for blind in probes)
    outside = max(length_ns(blind) for blind in probes) - in_judged
    blind_s = max(in_judged / _S, min(told_s - outside / _S, judged_ns / _S))
    return Sight(judged_ns / _S, blind_s, end["observer"].get("reason") or "")


def _blind(ticks: pa.Table, until_ns: int) -> tuple[Window, ...]:
    planned, ended = ticks["planned_ns"].to_numpy(), ticks["ended_ns"].to_numpy()
    failed = ticks["error"].is_valid().to_numpy()
    before = ((min(0, int(planned.min())), int(planned.min())),)  # nobody looked before the first tick
    return merged((*before, *blind_windows(planned, ended, np.asarray(failed, dtype=np.bool_), until_ns)))


def _ticks(run: RunDirectory) -> dict[str, pa.Table]:
    batches = list(run.batches("ticks"))
    if not batches:
        return {}
    table = pa.Table.from_batches(batches)
    probes = table["probe"].unique().to_pylist()
    return {probe: table.filter(pa.compute.equal(table["probe"], probe)) for probe in probes}


def _settings(manifest: Json) -> dict[str, Any]:
    engine = manifest.get("engine") or {}
    settings = {f"engine.{key}": engine.get(key) for key in ("name", "version", "promises")}
    return settings | {f"engine.settings.{k}": v for k, v in (engine.get("settings") or {}).items()}


def _surroundings(manifest: Json) -> dict[str, Any]:
    keys = ("scenario", "harness", "host", "packages", "stages")
    flat = {f"{key}.{k}": v for key in keys if isinstance(manifest.get(key), dict) for k, v in manifest[key].items()}
    return flat | {"stages": manifest["stages"]}
