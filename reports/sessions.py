"""What database sessions were doing over time: running, waiting for what, or holding a transaction open."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from reports.frames import Floats, Run, table
from reports.gather import Axis
from reports.judged_time import inside
from reports.looks import seeing_ticks, ticks_of

CLASSES: tuple[str, ...] = ("running", "io", "lock", "idle in transaction", "other")
"""In the order shown. Sessions that wait for their client do nothing, and are left out."""


@dataclass(frozen=True)
class Sessions:
    """Mean number of sessions in each bin (NaN where no tick looked), by wait class; empty when nobody looked.

    `judged` is the mean over the judged time, by wait class; empty when nobody looked then. `databases` is the same
    for each database, where there are several. `cores` is how many processors the host has; None when the manifest
    does not say.
    """

    by_class: Mapping[str, Floats] = field(default_factory=dict)
    judged: Mapping[str, float] = field(default_factory=dict)
    databases: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    cores: int | None = None

    @property
    def seen(self) -> bool:
        return bool(self.by_class)


def read_sessions(runs: Sequence[Run], axis: Axis) -> Sessions:
    """The mean over all ticks of all rounds that saw something; where there are several databases, their sum."""
    looks = {name: [_look(run, name) for run in runs] for name in _databases(runs)}
    means = [mean for mine in looks.values() if (mean := _means(runs, mine, axis)) is not None]
    if not means:
        return Sessions()
    judged = {name: _judged(runs, mine) for name, mine in looks.items()}
    whole = {c: sum(by[c] for by in judged.values() if by) for c in CLASSES} if any(judged.values()) else {}
    host = next((run.manifest.get("host") or {} for run in runs if run.manifest), {})
    several = {str(name): mine for name, mine in judged.items()} if len(judged) > 1 else {}
    return Sessions(dict(zip(CLASSES, _summed(means), strict=True)), whole, several, host.get("cores"))


Look = tuple[pa.Table, pa.Table]
"""Rows of sessions, and the ticks behind them."""


def _databases(runs: Sequence[Run]) -> list[str | None]:
    """Those that sessions are told apart by; None alone stands for all of them."""
    found: dict[str, None] = {}
    for run in runs:
        rows = table(run.directory, "sessions")
        if "database" in rows.column_names:
            found |= dict.fromkeys(sorted(name for name in pc.unique(rows["database"]).to_pylist() if name is not None))
    return list(found) if len(found) > 1 else [None]


def _look(run: Run, database: str | None) -> Look:
    rows, ticks = table(run.directory, "sessions"), table(run.directory, "ticks")
    return (
        (rows, ticks)
        if database is None
        else (rows.filter(pc.field("database") == database), ticks_of(ticks, database))
    )


def _summed(means: Sequence[Floats]) -> Floats:
    stacked = np.stack(means)
    return np.where(np.isnan(stacked).all(axis=0), np.nan, np.nansum(stacked, axis=0))


def _means(runs: Sequence[Run], looks: Sequence[Look], axis: Axis) -> Floats | None:
    """[class, bin]; None when nobody looked."""
    seen = [_run_sessions(run, *look, axis) for run, look in zip(runs, looks, strict=True) if look[0].num_rows]
    if not seen:
        return None
    counts, ticks = sum(c for c, _ in seen), sum(t for _, t in seen)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(ticks > 0, counts / ticks, np.nan)


def _judged(runs: Sequence[Run], looks: Sequence[Look]) -> dict[str, float]:
    seen, times = dict.fromkeys(CLASSES, 0), 0
    for run, (rows, ticks) in zip(runs, looks, strict=True):
        frame = _at_work(rows)
        frame = frame[inside(frame["t_ns"].to_numpy(), run.judged)]
        for name, count in frame.groupby("wait_class")["sessions"].sum().items():
            seen[str(name)] += int(count)
        times += int(inside(seeing_ticks(ticks), run.judged).sum())
    return {name: count / times for name, count in seen.items()} if times else {}


def _run_sessions(run: Run, rows: pa.Table, ticks: pa.Table, axis: Axis) -> tuple[Floats, Floats]:
    """Sessions seen, [class, bin], and ticks that looked, [bin]."""
    bins = axis.bins(seeing_ticks(ticks), run)
    looked = np.bincount(bins[bins >= 0], minlength=axis.count).astype(np.float64)
    return _counts(rows, run, axis), looked


def _at_work(rows: pa.Table) -> pd.DataFrame:
    """When, class and number of the sessions that did not wait for their client."""
    frame: pd.DataFrame = rows.select(["t_ns", "wait_class", "sessions"]).to_pandas()
    frame = frame[frame["wait_class"] != "client"]
    return frame.assign(wait_class=frame["wait_class"].where(frame["wait_class"].isin(CLASSES), "other"))


def _counts(rows: pa.Table, run: Run, axis: Axis) -> Floats:
    frame = _at_work(rows)
    frame["bin"] = axis.bins(frame["t_ns"].to_numpy(), run)
    whole = frame.pivot_table(index="wait_class", columns="bin", values="sessions", aggfunc="sum", fill_value=0)
    whole = whole.reindex(index=list(CLASSES), columns=range(axis.count), fill_value=0)
    return whole.to_numpy(dtype=np.float64)
