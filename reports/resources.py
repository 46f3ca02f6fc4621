"""Processor time and memory by role, from the observer's samples."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from reports.frames import Floats, Ints, Run, table
from reports.gather import Axis

ROLES: tuple[str, ...] = ("pod", "database", "generator", "observer")


@dataclass(frozen=True)
class Usage:
    """By role, mean of the rounds: cores used and bytes resident in each bin (NaN where nobody looked), and the
    processor time of the judged stages in s, all rounds together. A role that nobody watched is absent."""

    cores: Mapping[str, Floats]
    rss: Mapping[str, Floats]
    judged_cpu_s: Mapping[str, float]


def read_usage(runs: Sequence[Run], axis: Axis) -> Usage:
    parts = [_run_usage(run, axis) for run in runs]
    roles = [role for role in ROLES if any(role in p.cores for p in parts)]
    watched = [r for r in roles if all(r in p.judged_cpu_s for p in parts)]
    return Usage(
        {role: _mean([p.cores[role] for p in parts if role in p.cores]) for role in roles},
        {role: _mean([p.rss[role] for p in parts if role in p.rss]) for role in roles},
        {role: sum(p.judged_cpu_s[role] for p in parts) for role in watched},
    )


def _run_usage(run: Run, axis: Axis) -> Usage:
    rows = table(run.directory, "resources")
    cores: dict[str, Floats] = {}
    rss: dict[str, Floats] = {}
    judged: dict[str, float] = {}
    for role, name in _processes(rows):
        mine = rows.filter(pc.and_(pc.equal(rows["role"], role), pc.equal(rows["name"], name)))
        t, cpu, memory = (np.asarray(mine[c].to_numpy(), dtype=np.int64) for c in ("t_ns", "cpu_ns", "rss_bytes"))
        edges = axis.edges_ns(run)
        used = np.diff(_within(edges, t, cpu)) / axis.width_ns
        cores[role] = used + cores.get(role, 0.0)
        rss[role] = _within((edges[:-1] + edges[1:]) // 2, t, memory) + rss.get(role, 0.0)
        judged[role] = judged.get(role, 0.0) + _spent(run, t, cpu)
    return Usage(cores, rss, judged)


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


def _spent(run: Run, t: Ints, cpu: Ints) -> float:
    """Processor seconds in the judged stages; the ends of the samples stand for moments beyond them."""
    return sum(float(np.interp(end, t, cpu) - np.interp(start, t, cpu)) for start, end in run.judged) / 1e9


def _mean(parts: Sequence[Floats]) -> Floats:
    stacked = np.stack(parts)
    seen = ~np.isnan(stacked)
    total = np.where(seen, stacked, 0).sum(axis=0)
    return np.where(seen.any(axis=0), total / np.maximum(seen.sum(axis=0), 1), np.nan)
