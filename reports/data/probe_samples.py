"""The samples of the probes that observe lock waits: when, how often, and how much judged time they missed."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from loadtests.records.probe_coverage import LOG, MISSED_PERIODS, Tick, by_probe
from reports.data.arrays import Floats, Ints
from reports.data.contract import StudyRun, Window, length_ns, merged
from reports.data.judged_time import blind_times, overlap_ns
from reports.data.tables import table

TOO_BLIND = 0.5
"""A probe that missed a larger share of judged time is ignored; a smaller one is reported as a doubt."""

_PROCESSES = ("resources", "processes")
"""Probes that observe no database."""


def ticks_of(ticks: pa.Table, database: str) -> pa.Table:
    """The ticks of the probes that are named after the database; all of them where none is."""
    probes = pc.unique(ticks["probe"]).to_pylist()
    names = [probe for probe in probes if database in (probe, probe.partition(":")[2])]
    return ticks.filter(pc.is_in(ticks["probe"], pa.array(names, pa.string()))) if names else ticks


def log_samples(ticks: pa.Table, database: str) -> list[Tick]:
    """Samples of the probe that follows the log of the database's server."""
    probes = [str(probe) for probe in pc.unique(ticks["probe"]).to_pylist() if probe.endswith(LOG)]
    names = [p for p in probes if database in (p.removesuffix(LOG), p.removesuffix(LOG).partition(":")[2])]
    return _samples(ticks.filter(pc.is_in(ticks["probe"], pa.array(names, pa.string()))))


def log_gaps(samples: Sequence[Tick], ends_ns: int) -> tuple[Window, ...]:
    """Gaps in a log: around each failed sample, from the one before to the one after, and after the last sample. A late
    sample leaves no gap, because it reads all lines written before it."""
    order = sorted(samples, key=lambda sample: sample.started_ns)
    failed = [place for place, sample in enumerate(order) if sample.error is not None]
    moments = [*(sample.started_ns for sample in order), ends_ns]
    windows = [(moments[max(place - 1, 0)], moments[place + 1]) for place in failed]
    silent = moments[-2] + MISSED_PERIODS * order[-1].period_ns
    return merged([*windows, (silent, ends_ns)])


def _samples(ticks: pa.Table) -> list[Tick]:
    if "period_ns" not in ticks.column_names:  # of an older version: the coverage is unknown
        return []
    return [Tick(*row) for row in zip(*(ticks[name].to_pylist() for name in Tick._fields), strict=True)]


def _database_ticks(ticks: pa.Table) -> pa.Table:
    """Ticks of the probes that sample the database. Excludes its log, whose gaps do not affect the samples."""
    if "period_ns" not in ticks.column_names:
        ticks = ticks.slice(0, 0).append_column("period_ns", pa.array([], pa.int64()))
    probes = [p for p in pc.unique(ticks["probe"]).to_pylist() if p not in _PROCESSES and not p.endswith(LOG)]
    return ticks.filter(pc.is_in(ticks["probe"], pa.array(probes, pa.string())))


def successful_ticks(ticks: pa.Table) -> Ints:
    """When each successful sample of the database began."""
    selected = _database_ticks(ticks)
    return np.asarray(selected.filter(pc.is_null(selected["error"]))["started_ns"].to_numpy(), dtype=np.int64)


def first_samples(ticks: pa.Table, starts: Ints) -> Ints:
    """Number of the first successful sample that can show each wait."""
    selected = _database_ticks(ticks)
    over = selected.filter(pc.is_null(selected["error"]))["ended_ns"].to_numpy()
    return np.searchsorted(np.sort(np.asarray(over, dtype=np.int64)), starts)


def sampling(ticks: pa.Table) -> tuple[float | None, bool]:
    """The sampling period in s, and whether any sample was successful."""
    selected = _database_ticks(ticks)
    if not selected.num_rows:
        return None, False
    return selected["period_ns"][0].as_py() / 1e9, selected["error"].null_count > 0


def too_blind(run: StudyRun, ticks: pa.Table) -> bool:
    """Whether the probe with the least coverage missed too much of the judged time."""
    samples = by_probe(_samples(_database_ticks(ticks)))
    judged = merged(run.judged)
    blind = blind_times(samples.values(), run.started_ns, run.ended_ns)
    missed = max((overlap_ns(windows, judged) for windows in blind), default=0)
    return missed / max(length_ns(judged), 1) > TOO_BLIND


def worth_ns(ticks: pa.Table, starts: Ints, ends: Ints) -> Floats:
    """The time that one observation of each wait stands for: the mean time to the next successful sample during the
    wait. With failed samples each observation stands for more; long gaps are not extrapolated."""
    selected = _database_ticks(ticks)
    if not selected.num_rows:
        return np.zeros(len(starts))
    period_ns, seen = selected["period_ns"][0].as_py(), np.sort(successful_ticks(ticks))
    until_next = np.minimum(np.diff(seen, append=seen[-1:] + period_ns), MISSED_PERIODS * period_ns)
    summed = np.concatenate(([0.0], np.cumsum(until_next)))
    first, past = np.searchsorted(seen, starts), np.searchsorted(seen, ends, side="right")
    samples = past - first
    return np.where(samples > 0, (summed[past] - summed[first]) / np.maximum(samples, 1), float(period_ns))


class LogFailure(NamedTuple):
    """All failures of one kind of a database's log: how long together, and when the first began, in s of the load."""

    database: str
    error: str
    blind_s: float
    since_s: float


def log_failures(run: StudyRun) -> list[LogFailure]:
    """Times in which a server's log could not be read, by database and error."""
    ticks = table(run.directory, "ticks")
    failed = ticks.filter(pc.and_(pc.ends_with(ticks["probe"], LOG), pc.is_valid(ticks["error"])))
    kinds = dict.fromkeys(zip(failed["probe"].to_pylist(), failed["error"].to_pylist(), strict=True))
    failures = []
    for probe, error in kinds:
        entry = failed.filter(pc.and_(pc.equal(failed["probe"], probe), pc.equal(failed["error"], error)))
        blind_s = entry.num_rows * entry["period_ns"][0].as_py() / 1e9
        since_s = (entry["started_ns"][0].as_py() - run.started_ns) / 1e9
        failures.append(LogFailure(probe.removesuffix(LOG), error, blind_s, since_s))
    return failures
