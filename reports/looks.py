"""How an observer looked for lock waits: when, how often, how much of the time that counts it missed."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from loadtests.records.probe_coverage import LOG, MISSED_PERIODS, Tick, by_probe
from reports.frames import Floats, Ints, Run
from reports.judged_time import Window, blind_times, length_ns, merged, overlap_ns

TOO_BLIND = 0.5
"""A probe that missed more of the judged time than this has nothing to tell; less is told at the top of the page."""


_PROCESSES = ("resources", "processes")
"""Probes that look at no database."""


def ticks_of(ticks: pa.Table, database: str) -> pa.Table:
    """The ticks of the probes that are named after the database; all of them where none is."""
    probes = pc.unique(ticks["probe"]).to_pylist()
    names = [probe for probe in probes if database in (probe, probe.partition(":")[2])]
    return ticks.filter(pc.is_in(ticks["probe"], pa.array(names, pa.string()))) if names else ticks


def log_looks(ticks: pa.Table, database: str) -> list[Tick]:
    """Those of the probe that follows the log of the database's server."""
    probes = [str(probe) for probe in pc.unique(ticks["probe"]).to_pylist() if probe.endswith(LOG)]
    names = [p for p in probes if database in (p.removesuffix(LOG), p.removesuffix(LOG).partition(":")[2])]
    return _looks(ticks.filter(pc.is_in(ticks["probe"], pa.array(names, pa.string()))))


def deaf_times(looks: Sequence[Tick], ends_ns: int) -> tuple[Window, ...]:
    """When a log told nothing: around each look that failed, from the one before to the one after, and once nobody
    looked any more. A look that comes late misses nothing: what was written before it is still there."""
    order = sorted(looks, key=lambda look: look.started_ns)
    failed = [place for place, look in enumerate(order) if look.error is not None]
    moments = [*(look.started_ns for look in order), ends_ns]
    windows = [(moments[max(place - 1, 0)], moments[place + 1]) for place in failed]
    silent = moments[-2] + MISSED_PERIODS * order[-1].period_ns
    return merged([*windows, (silent, ends_ns)])


def _looks(ticks: pa.Table) -> list[Tick]:
    if "period_ns" not in ticks.column_names:  # of an older version: how much was missed is not known
        return []
    return [Tick(*(row[name] for name in Tick._fields)) for row in ticks.to_pylist()]


def _database_ticks(ticks: pa.Table) -> pa.Table:
    """Those of the probes that look into the database; not of one that reads its log, which may be blind alone."""
    if "period_ns" not in ticks.column_names:
        ticks = ticks.slice(0, 0).append_column("period_ns", pa.array([], pa.int64()))
    probes = [p for p in pc.unique(ticks["probe"]).to_pylist() if p not in _PROCESSES and not p.endswith(LOG)]
    return ticks.filter(pc.is_in(ticks["probe"], pa.array(probes, pa.string())))


def seeing_ticks(ticks: pa.Table) -> Ints:
    """When a look into the database began that saw something."""
    mine = _database_ticks(ticks)
    return np.asarray(mine.filter(pc.is_null(mine["error"]))["started_ns"].to_numpy(), dtype=np.int64)


def first_looks(ticks: pa.Table, starts: Ints) -> Ints:
    """Which of the looks that saw something was the first that can have seen each wait."""
    mine = _database_ticks(ticks)
    over = mine.filter(pc.is_null(mine["error"]))["ended_ns"].to_numpy()
    return np.searchsorted(np.sort(np.asarray(over, dtype=np.int64)), starts)


def sampling(ticks: pa.Table) -> tuple[float | None, bool]:
    """The period of the probe that looks for waits, in s, and whether it ever saw anything."""
    mine = _database_ticks(ticks)
    if not mine.num_rows:
        return None, False
    return mine["period_ns"][0].as_py() / 1e9, mine["error"].null_count > 0


def too_blind(run: Run, ticks: pa.Table) -> bool:
    """Whether the blindest look into the database missed too much of the judged time."""
    looks = by_probe(_looks(_database_ticks(ticks)))
    judged = merged(run.judged)
    blind = blind_times(looks.values(), run.started_ns, run.ended_ns)
    missed = max((overlap_ns(windows, judged) for windows in blind), default=0)
    return missed / max(length_ns(judged), 1) > TOO_BLIND


def worth_ns(ticks: pa.Table, starts: Ints, ends: Ints) -> Floats:
    """How long one sight of each wait stands for: until the next look that saw something, on average while the wait
    lasted. A probe that fails now and then sees less often, and each sight is worth more; time for which it was blind
    is not guessed at."""
    mine = _database_ticks(ticks)
    if not mine.num_rows:
        return np.zeros(len(starts))
    period_ns, seen = mine["period_ns"][0].as_py(), np.sort(seeing_ticks(ticks))
    until_next = np.minimum(np.diff(seen, append=seen[-1:] + period_ns), MISSED_PERIODS * period_ns)
    summed = np.concatenate(([0.0], np.cumsum(until_next)))
    first, past = np.searchsorted(seen, starts), np.searchsorted(seen, ends, side="right")
    looks = past - first
    return np.where(looks > 0, (summed[past] - summed[first]) / np.maximum(looks, 1), float(period_ns))
