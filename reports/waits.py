"""Who waited for a lock, behind whom, for how long; and how that is known."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from loadtests.records.sight import LOG, MISSED_PERIODS, Tick, by_probe
from loadtests.records.tables import TRANSACTIONS_TABLE, codes_of
from loadtests.records.vocabulary import KNOWN
from reports.frames import MISSING, Floats, Ints, Run, table, times
from reports.gather import Axis
from reports.judged_time import blind_times, inside, length_ns, merged, overlap_ns

UNTOLD = "not told"
NOBODY = "nobody (between retries)"
_TRANSACTIONS = next(c.codes for c in TRANSACTIONS_TABLE.columns if c.name == "operation") or ()


_TOO_BLIND = 0.5
"""A probe that missed more of the judged time than this has nothing to tell; less is told at the top of the page."""


@dataclass
class Waits:
    """A run's lock waits. `known` is how: `event`, `pod`, `counter`, `sampled`; None when nothing could see them.

    `seconds` counts waits that began in judged stages, by (waiter, holder at the head of its queue); `sessions` is the
    mean number of sessions waiting in each bin of the whole run, by waiter. `hits` are the ticks behind a sampled
    figure: its error falls with their number.
    """

    known: str | None
    period_s: float | None = None
    seconds: dict[tuple[str, str], float] = field(default_factory=lambda: defaultdict(float))
    waits: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    hits: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    sessions: dict[str, Floats] = field(default_factory=dict)
    stages: Floats = field(default_factory=lambda: np.zeros(0))
    """The mean number of sessions waiting in each stage: seconds waited in each second."""
    databases: dict[str, "Waits"] = field(default_factory=dict)
    """The same by database; empty in each of these."""

    @property
    def total_s(self) -> float:
        return sum(self.seconds.values())

    def of(self, waiter: str) -> float:
        return sum(s for (w, _), s in self.seconds.items() if w == waiter)

    def behind(self, waiter: str) -> list[tuple[str, float]]:
        """Those it waited behind, with seconds, the longest first."""
        found = [(holder, s) for (w, holder), s in self.seconds.items() if w == waiter and s > 0]
        return sorted(found, key=lambda pair: -pair[1])

    def interval_s(self, waiter: str) -> tuple[float, float] | None:
        """A 95 % interval of a sampled figure (hits are Poisson); None for one that was timed."""
        if self.known != "sampled" or self.period_s is None:
            return None
        from scipy.special import chdtri

        hits = self.hits.get(waiter, 0)
        low = chdtri(2 * hits, 0.975) / 2 if hits else 0.0
        worth_s = self.of(waiter) / hits if hits else self.period_s
        return float(low) * worth_s, float(chdtri(2 * hits + 2, 0.025) / 2) * worth_s


def read_waits(run: Run, axis: Axis) -> Waits:
    """What the pod timed where it waited for the write lock itself, else what the observer saw."""
    columns = times(run, "transactions", ("operation", "waiting_ns", "begun_ns", "ended_ns"))
    timed = columns[1] != MISSING
    if timed.any():
        found = _pod_waits(run, axis, [column[timed] for column in columns])
        return replace(found, databases={_engine(run): found})
    return _by_database(run, axis, table(run.directory, "lock_waits"), table(run.directory, "ticks"))


def _engine(run: Run) -> str:
    return str((run.manifest.get("engine") or {}).get("name") or "database")


def _by_database(run: Run, axis: Axis, rows: pa.Table, ticks: pa.Table) -> Waits:
    """Each database by what its own probes saw; the whole is unknown when one of them is."""
    of = rows["database" if "database" in rows.column_names else "engine"]
    watched = table(run.directory, "resources").filter(pc.field("role") == "database")["name"]
    several = dict.fromkeys(sorted({*pc.unique(of).to_pylist(), *pc.unique(watched).to_pylist()}))
    if len(several) < 2 or "database" not in rows.column_names:
        found = _observed_waits(run, axis, rows, ticks)
        return replace(found, databases={_engine(run): found})
    parts = {
        name: _observed_waits(run, axis, rows.filter(pc.equal(of, name)), ticks_of(ticks, name)) for name in several
    }
    return replace(_added(list(parts.values())), databases=parts)


def ticks_of(ticks: pa.Table, database: str) -> pa.Table:
    """The ticks of the probes that are named after the database; all of them where none is."""
    names = [p for p in pc.unique(ticks["probe"]).to_pylist() if database in p.replace(":", " ").split()]
    return ticks.filter(pc.is_in(ticks["probe"], pa.array(names, pa.string()))) if names else ticks


def _added(parts: Sequence[Waits]) -> Waits:
    """What several databases saw at the same time."""
    if any(part.known is None for part in parts):
        return Waits(None)
    whole = Waits(_known_together(parts), parts[0].period_s, stages=np.sum([part.stages for part in parts], axis=0))
    for part in parts:
        _count_in(whole, part)
        for waiter, density in part.sessions.items():
            whole.sessions[waiter] = whole.sessions.get(waiter, np.zeros(len(density))) + density
    return whole


def together(runs: Sequence[Run], rounds: Sequence[Waits], axis: Axis) -> Waits:
    """Rounds of one storage: seconds added, sessions averaged over the time that each lasted; unknown when one of them
    was blind."""
    databases = dict.fromkeys(name for waits in rounds for name in waits.databases)
    by_database = {name: [w.databases.get(name, Waits(None)) for w in rounds] for name in databases}
    found = _averaged(runs, rounds, axis)
    return replace(found, databases={name: _averaged(runs, parts, axis) for name, parts in by_database.items()})


def _averaged(runs: Sequence[Run], rounds: Sequence[Waits], axis: Axis) -> Waits:
    if not rounds or any(w.known is None for w in rounds):
        return Waits(None)
    whole = Waits(_known_together(rounds), rounds[0].period_s, stages=_mean([w.stages for w in rounds]))
    widths = [axis.widths_s(run) for run in runs]
    lasted = np.maximum(np.sum(widths, axis=0), 1e-9)
    for part, width in zip(rounds, widths, strict=True):
        _count_in(whole, part)
        for waiter, density in part.sessions.items():
            whole.sessions[waiter] = whole.sessions.get(waiter, np.zeros(axis.count)) + density * width / lasted
    return whole


def _mean(parts: Sequence[Floats]) -> Floats:
    """Of stages that all rounds have."""
    shared = min(len(part) for part in parts)
    return np.asarray(np.mean([part[:shared] for part in parts], axis=0), dtype=np.float64)


def _known_together(parts: Sequence[Waits]) -> str:
    return " and ".join(sorted({word for part in parts if part.known for word in part.known.split(" and ")}))


def _count_in(whole: Waits, part: Waits) -> None:
    for pair, seconds in part.seconds.items():
        whole.seconds[pair] += seconds
    for waiter in part.sessions:
        whole.waits[waiter] += part.waits[waiter]
        whole.hits[waiter] += part.hits[waiter]


def _pod_waits(run: Run, axis: Axis, timed: Sequence[Ints]) -> Waits:
    """Each writer waited behind the transactions that held the write lock meanwhile."""
    codes, waiting, begun, ended = timed
    begun = np.maximum(begun, waiting)
    judged = inside(waiting, run.judged)
    waits = Waits("pod", stages=_density(_stage_edges(run), waiting, begun, begun - waiting)[::2])
    operations = {int(code): _TRANSACTIONS[int(code)] for code in np.unique(codes)}
    held = {name: _held(begun[codes == code], ended[codes == code]) for code, name in operations.items()}
    for code, name in operations.items():
        mine = codes == code
        _charge(waits, name, waiting[mine & judged], begun[mine & judged], held)
        waits.sessions[name] = _density(axis.edges_ns(run), waiting[mine], begun[mine], begun[mine] - waiting[mine])
    return waits


def _held(begun: Ints, ended: Ints) -> tuple[Floats, Floats]:
    """Time held up to any moment, as the corners of a line."""
    order = np.argsort(begun, kind="stable")
    corners = np.maximum.accumulate(np.stack([begun[order], ended[order]], axis=1).ravel()).astype(np.float64)
    lengths = np.diff(corners, prepend=corners[0])
    lengths[::2] = 0
    return corners, np.cumsum(lengths)


def _charge(waits: Waits, waiter: str, starts: Ints, ends: Ints, held: Mapping[str, tuple[Floats, Floats]]) -> None:
    free = float((ends - starts).sum())
    for holder, (corners, lengths) in held.items():
        behind = np.interp(ends, corners, lengths) - np.interp(starts, corners, lengths)
        waits.seconds[waiter, holder] += float(behind.sum()) / 1e9
        free -= float(behind.sum())
    waits.seconds[waiter, NOBODY] += max(free, 0.0) / 1e9
    waits.waits[waiter] += int((ends - starts > 1_000_000).sum())


def _observed_waits(run: Run, axis: Axis, rows: pa.Table, ticks: pa.Table) -> Waits:
    period_s, seeing = _sampling(ticks)
    if (not seeing and not rows.num_rows) or _blind_share(run, ticks) > _TOO_BLIND:
        return Waits(None)
    known = _known(rows)
    starts, ends = _ints(rows["started_ns"]), _ints(pc.fill_null(rows["ended_ns"], run.ended_ns))
    hits = _ints(pc.fill_null(rows["hits"], -1))
    sampled = (hits >= 0) & (period_s is not None)
    weights = np.where(sampled, hits * _worth_ns(ticks, starts, ends), np.maximum(ends - starts, 0))
    stages = _density(_stage_edges(run), starts, ends, weights)[::2]
    waits = Waits(known or "sampled", period_s, stages=stages)
    waiter = _names(rows["waiter_operation"])
    holder = _names(pc.coalesce(rows["root_operation"], rows["blocker_operation"]))
    judged = inside(starts, run.judged)
    for name in np.unique(waiter):
        mine = waiter == name
        waits.sessions[name] = _density(axis.edges_ns(run), starts[mine], ends[mine], weights[mine])
        waits.waits[name] = int((mine & judged).sum())
        waits.hits[name] = int(hits[mine & judged & (hits > 0)].sum())
        for other in np.unique(holder[mine & judged]):
            waits.seconds[name, other] += float(weights[mine & judged & (holder == other)].sum()) / 1e9
    return waits


def _known(rows: pa.Table) -> str:
    names = codes_of(rows.schema).get("known", list(KNOWN))
    return " and ".join(sorted(names[code] for code in pc.unique(rows["known"]).to_pylist()))


def _names(column: pa.ChunkedArray) -> npt.NDArray[np.object_]:
    return np.asarray(pc.fill_null(column, UNTOLD).to_numpy(zero_copy_only=False), dtype=object)


def _database_ticks(ticks: pa.Table) -> pa.Table:
    """Those of the probes that look into the database; not of one that reads its log, which may be blind alone."""
    others = ("resource", "process", LOG)
    probes = [p for p in pc.unique(ticks["probe"]).to_pylist() if not any(word in p for word in others)]
    return ticks.filter(pc.is_in(ticks["probe"], pa.array(probes, pa.string())))


def seeing_ticks(ticks: pa.Table) -> Ints:
    """When a look into the database began that saw something."""
    mine = _database_ticks(ticks)
    return _ints(mine.filter(pc.is_null(mine["error"]))["started_ns"])


def _sampling(ticks: pa.Table) -> tuple[float | None, bool]:
    """The period of the probe that looks for waits, in s, and whether it ever saw anything."""
    mine = _database_ticks(ticks)
    if not mine.num_rows:
        return None, False
    return mine["period_ns"][0].as_py() / 1e9, mine["error"].null_count > 0


def _blind_share(run: Run, ticks: pa.Table) -> float:
    """How much of the judged time the blindest look into the database missed; 0 where there was none."""
    looks = by_probe(Tick(*(row[name] for name in Tick._fields)) for row in _database_ticks(ticks).to_pylist())
    judged = merged(run.judged)
    blind = blind_times(looks.values(), run.started_ns, run.ended_ns)
    return max((overlap_ns(windows, judged) for windows in blind), default=0) / max(length_ns(judged), 1)


def _worth_ns(ticks: pa.Table, starts: Ints, ends: Ints) -> Floats:
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


def _stage_edges(run: Run) -> Ints:
    """Where each stage begins and ends: every other bin between these is a stage."""
    edges = [moment for stage in run.stages for moment in (stage.started_ns, stage.ended_ns)]
    return np.maximum.accumulate(np.array(edges or [0, 0], dtype=np.int64))


def _density(edges: Ints, starts: Ints, ends: Ints, weights: Ints | Floats) -> Floats:
    """Mean number of sessions in each bin, every wait's weight (ns) spread evenly over its span."""
    span = np.maximum(ends - starts, 1)
    rates = weights / span
    waited = _ramps(edges, starts, rates) - _ramps(edges, starts + span, rates)
    width = np.diff(edges)  # no run lasts as long as the longest; past its end there is nothing to divide by
    return np.where(width > 0, np.maximum(np.diff(waited) / np.maximum(width, 1) * 1e9, 0.0), 0.0)


def _ramps(edges: Ints, corners: Ints, rates: Floats) -> Floats:
    """At each edge, the sum of ramps that each rise with their rate from their corner on, in s."""
    places = np.searchsorted(edges, corners)
    past = (corners - edges[0]) / 1e9
    slopes, offsets = (np.bincount(places, w, len(edges) + 1)[: len(edges)].cumsum() for w in (rates, rates * past))
    return np.asarray(slopes * ((edges - edges[0]) / 1e9) - offsets, dtype=np.float64)


def _ints(column: pa.ChunkedArray) -> Ints:
    return np.asarray(column.to_numpy(), dtype=np.int64)
