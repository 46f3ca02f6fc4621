"""Activity of database sessions over time, by wait class (running, waiting, idle in transaction) and operation."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from reports.data.arrays import Floats, Mask
from reports.data.contract import UNNAMED, StudyRun
from reports.data.judged_time import inside
from reports.data.probe_samples import successful_ticks, ticks_of
from reports.data.tables import table
from reports.findings.operations import Axis
from reports.findings.pooling import summed
from reports.findings.resources import CLASSES, SessionActivity, State, sessions_by_class

_Samples = tuple[pa.Table, pa.Table]
"""Rows of sessions, and the ticks behind them."""


def read_sessions(runs: Sequence[StudyRun], axis: Axis) -> SessionActivity:
    """The mean over all successful samples of all rounds; the sum of several databases."""
    samples = {name: [_samples_of(run, name) for run in runs] for name in _databases(runs)}
    seen = [found for selected in samples.values() if (found := _means(runs, selected, axis)) is not None]
    if not seen:
        return SessionActivity()
    judged = {name: _judged(runs, selected) for name, selected in samples.items()}
    known = [by for by in judged.values() if by is not None]
    several = {str(name): sessions_by_class(by) for name, by in judged.items()} if len(judged) > 1 else {}
    host = next((run.manifest.get("host") or {} for run in runs if run.manifest), {})
    observed = np.any([ticked for _, ticked in seen], axis=0)
    whole = {state: _summed(selected, observed) for state, selected in _grouped([by for by, _ in seen]).items()}
    means = summed(known) if known else None
    return SessionActivity(whole, observed, means, several, host.get("cores"))


def _grouped(tables: Sequence[Mapping[State, Any]]) -> dict[State, list[Any]]:
    """The values of each state, of the tables that have it."""
    states = dict.fromkeys(state for by in tables for state in by)
    return {state: [by[state] for by in tables if state in by] for state in states}


def _databases(runs: Sequence[StudyRun]) -> list[str | None]:
    """The databases of the sessions; only None where they are not distinguished."""
    found: dict[str, None] = {}
    for run in runs:
        rows = table(run.directory, "sessions")
        if "database" in rows.column_names:
            found |= dict.fromkeys(sorted(name for name in pc.unique(rows["database"]).to_pylist() if name is not None))
    return list(found) if len(found) > 1 else [None]


def _samples_of(run: StudyRun, database: str | None) -> _Samples:
    rows, ticks = table(run.directory, "sessions"), table(run.directory, "ticks")
    return (
        (rows, ticks)
        if database is None
        else (rows.filter(pc.field("database") == database), ticks_of(ticks, database))
    )


def _summed(means: Sequence[Floats], observed: Mask) -> Floats:
    return np.where(observed, np.nansum(np.stack(means), axis=0), np.nan)


def _means(
    runs: Sequence[StudyRun], samples: Sequence[_Samples], axis: Axis
) -> tuple[dict[State, Floats], Mask] | None:
    """By state, with the bins that have a sample; None without samples."""
    seen = [(run, sample) for run, sample in zip(runs, samples, strict=True) if sample[0].num_rows]
    if not seen:
        return None
    counts = summed(_counts(rows, run, axis) for run, (rows, _) in seen)
    ticks = np.sum([_ticked(run, ticks, axis) for run, (_, ticks) in seen], axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return {state: np.where(ticks > 0, count / ticks, np.nan) for state, count in counts.items()}, ticks > 0


def _judged(runs: Sequence[StudyRun], samples: Sequence[_Samples]) -> dict[State, float] | None:
    seen: Counter[State] = Counter()
    times = 0
    for run, (rows, ticks) in zip(runs, samples, strict=True):
        frame = _at_work(rows)
        frame = frame[inside(frame["t_ns"].to_numpy(), run.judged)]
        seen.update({state: int(selected["sessions"].sum()) for state, selected in _apart(frame)})
        times += int(inside(successful_ticks(ticks), run.judged).sum())
    return {state: count / times for state, count in seen.items()} if times else None


def _ticked(run: StudyRun, ticks: pa.Table, axis: Axis) -> Floats:
    """Number of samples in each bin."""
    bins = axis.bins(successful_ticks(ticks), run)
    return np.bincount(bins[bins >= 0], minlength=axis.count).astype(np.float64)


def _at_work(rows: pa.Table) -> pd.DataFrame:
    """Time, class, operation and number of the sessions that did not wait for their client."""
    frame: pd.DataFrame = rows.select(["t_ns", "wait_class", "operation", "sessions"]).to_pandas()
    frame = frame[frame["wait_class"] != "client"]
    known = frame["wait_class"].where(frame["wait_class"].isin(CLASSES), "other")
    return frame.assign(wait_class=known, operation=frame["operation"].fillna(UNNAMED))


def _counts(rows: pa.Table, run: StudyRun, axis: Axis) -> dict[State, Floats]:
    """Sessions in all samples of each bin."""
    frame = _at_work(rows)
    frame["bin"] = axis.bins(frame["t_ns"].to_numpy(), run)
    frame = frame[frame["bin"] >= 0]
    return {
        state: np.asarray(np.bincount(selected["bin"], selected["sessions"], axis.count), dtype=np.float64)
        for state, selected in _apart(frame)
    }


def _apart(frame: pd.DataFrame) -> Iterator[tuple[State, pd.DataFrame]]:
    for state, selected in frame.groupby(["wait_class", "operation"]):
        yield (str(state[0]), str(state[1])), selected
