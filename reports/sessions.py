"""What database sessions were doing over time: running, waiting for what, or holding a transaction open."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import pyarrow as pa

from reports.frames import Floats, Run, table
from reports.gather import Axis
from reports.judged_time import inside
from reports.waits import seeing_ticks

CLASSES: tuple[str, ...] = ("running", "io", "lock", "idle in transaction", "other")
"""In the order shown. Sessions that wait for their client do nothing, and are left out."""


@dataclass(frozen=True)
class Sessions:
    """Mean number of sessions in each bin (NaN where no tick looked), by wait class; empty when nobody looked.

    `judged` is the mean over the judged time, by wait class; empty when nobody looked then. `cores` is how many
    processors the host has; None when the manifest does not say.
    """

    by_class: Mapping[str, Floats] = field(default_factory=dict)
    judged: Mapping[str, float] = field(default_factory=dict)
    cores: int | None = None

    @property
    def seen(self) -> bool:
        return bool(self.by_class)


def read_sessions(runs: Sequence[Run], axis: Axis) -> Sessions:
    """The mean over all ticks of all rounds that saw something."""
    parts = [_run_sessions(run, axis) for run in runs]
    seen = [part for part in parts if part is not None]
    if not seen:
        return Sessions()
    counts, ticks = sum(c for c, _ in seen), sum(t for _, t in seen)
    with np.errstate(invalid="ignore", divide="ignore"):
        means = np.where(ticks > 0, counts / ticks, np.nan)
    host = next((run.manifest.get("host") or {} for run in runs if run.manifest), {})
    return Sessions(dict(zip(CLASSES, means, strict=True)), _judged(runs), host.get("cores"))


def _judged(runs: Sequence[Run]) -> dict[str, float]:
    seen, looks = dict.fromkeys(CLASSES, 0), 0
    for run in runs:
        rows = _at_work(table(run.directory, "sessions"))
        rows = rows[inside(rows["t_ns"].to_numpy(), run.judged)]
        for name, count in rows.groupby("wait_class")["sessions"].sum().items():
            seen[str(name)] += int(count)
        looks += int(inside(seeing_ticks(table(run.directory, "ticks")), run.judged).sum())
    return {name: count / looks for name, count in seen.items()} if looks else {}


def _run_sessions(run: Run, axis: Axis) -> tuple[Floats, Floats] | None:
    """Sessions seen, [class, bin], and ticks that looked, [bin]; None when nobody did."""
    rows = table(run.directory, "sessions")
    if not rows.num_rows:
        return None
    ticks = axis.bins(seeing_ticks(table(run.directory, "ticks")), run)
    looked = np.bincount(ticks[ticks >= 0], minlength=axis.count).astype(np.float64)
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
