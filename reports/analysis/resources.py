"""Processor time and memory by role, from the observer's samples."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from reports.data.arrays import Floats, Ints
from reports.data.contract import RunStage, StudyRun
from reports.data.tables import table
from reports.findings.operations import Axis
from reports.findings.resources import ROLES, Process, ResourceUsage

Key = TypeVar("Key")


def read_usage(runs: Sequence[StudyRun], axis: Axis) -> ResourceUsage:
    parts = [_run_usage(run, axis) for run in runs]
    roles = [role for role in ROLES if any(role in p.cores for p in parts)]
    watched = [r for r in roles if all(r in p.judged_cpu_s for p in parts)]
    return ResourceUsage(
        _means([p.cores for p in parts], roles),
        _means([p.rss for p in parts], roles),
        {role: sum(p.judged_cpu_s[role] for p in parts) for role in watched},
        _means([p.processes for p in parts]),
        _means([p.stage_cores for p in parts]),
    )


def _means(parts: Sequence[Mapping[Key, Floats]], keys: Iterable[Key] | None = None) -> dict[Key, Floats]:
    chosen = dict.fromkeys(key for part in parts for key in part) if keys is None else keys
    return {key: _mean([part[key] for part in parts if key in part]) for key in chosen}


def _run_usage(run: StudyRun, axis: Axis) -> ResourceUsage:
    rows = table(run.directory, "resources")
    cores: dict[str, Floats] = {}
    rss: dict[str, Floats] = {}
    judged: dict[str, float] = {}
    processes: dict[Process, Floats] = {}
    stages: dict[Process, Floats] = {}
    for role, name in _processes(rows):
        selected = rows.filter(pc.and_(pc.equal(rows["role"], role), pc.equal(rows["name"], name)))
        t, cpu, memory = (np.asarray(selected[c].to_numpy(), dtype=np.int64) for c in ("t_ns", "cpu_ns", "rss_bytes"))
        edges = axis.edges_ns(run)
        used = processes[role, name] = _rate(_within(edges, t, cpu), edges)
        stages[role, name] = np.array([_cores(run, stage, t, cpu) for stage in run.stages])
        cores[role] = used + cores.get(role, 0.0)
        rss[role] = _within((edges[:-1] + edges[1:]) // 2, t, memory) + rss.get(role, 0.0)
        judged[role] = judged.get(role, 0.0) + _spent(run, t, cpu)
    return ResourceUsage(cores, rss, judged, processes, stages)


def _rate(used: Floats, edges: Ints) -> Floats:
    """Cores in each bin; NaN in one of no width."""
    width = np.diff(edges)
    return np.where(width > 0, np.diff(used) / np.maximum(width, 1), np.nan)


def _cores(run: StudyRun, stage: RunStage, t: Ints, cpu: Ints) -> float:
    """Mean over the observed part of the stage; NaN where less than half of it was observed."""
    start, end = max(stage.started_ns, int(t[0])), min(stage.ended_ns, int(t[-1]), run.ended_ns)
    if end - start < 0.5 * (stage.ended_ns - stage.started_ns) or end <= start:
        return np.nan
    return float(np.interp(end, t, cpu) - np.interp(start, t, cpu)) / (end - start)


def _processes(rows: pa.Table) -> list[tuple[str, str]]:
    return sorted(
        {
            (r["role"], r["name"])
            for r in rows.select(["role", "name"]).group_by(["role", "name"]).aggregate([]).to_pylist()
        }
    )


def _within(moments: Ints, t: Ints, values: Ints) -> Floats:
    """Values at these moments, NaN where no sample is on both sides."""
    return np.asarray(np.interp(moments, t, values, left=np.nan, right=np.nan), dtype=np.float64)


def _spent(run: StudyRun, t: Ints, cpu: Ints) -> float:
    """Processor seconds in the judged stages; the ends of the samples stand for moments beyond them."""
    return sum(float(np.interp(end, t, cpu) - np.interp(start, t, cpu)) for start, end in run.judged) / 1e9


def _mean(parts: Sequence[Floats]) -> Floats:
    longest = max(len(part) for part in parts)  # a run that was cut off has fewer stages
    stacked = np.stack([np.pad(part, (0, longest - len(part)), constant_values=np.nan) for part in parts])
    seen = ~np.isnan(stacked)
    total = np.where(seen, stacked, 0).sum(axis=0)
    return np.where(seen.any(axis=0), total / np.maximum(seen.sum(axis=0), 1), np.nan)
