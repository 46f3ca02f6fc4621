"""How long the observer saw nothing, told from its own ticks. Pure."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from itertools import pairwise
from statistics import median
from typing import NamedTuple

MISSED_PERIODS = 3
"""A gap of fewer periods than this between two ticks that saw something is jitter, not blindness."""


class Tick(NamedTuple):
    """One row of the `ticks` table; times in ns since the origin."""

    probe: str
    planned_ns: int
    started_ns: int
    ended_ns: int
    error: str | None


def blindness(ticks: Iterable[Tick], starts_ns: int, ends_ns: int) -> tuple[float, str]:
    """Seconds between `starts_ns` and `ends_ns` in which the blindest probe saw nothing, and why; `(0, "")` when it
    saw everything."""
    by_probe: dict[str, list[Tick]] = defaultdict(list)
    for tick in ticks:
        by_probe[tick.probe].append(tick)
    if not by_probe:
        return max(ends_ns - starts_ns, 0) / 1e9, "no tick was written"
    return max(_of_probe(of_one, starts_ns, ends_ns) for of_one in by_probe.values())


def _of_probe(ticks: Sequence[Tick], starts_ns: int, ends_ns: int) -> tuple[float, str]:
    ticks = sorted(ticks, key=lambda t: t.planned_ns)
    period = median(b.planned_ns - a.planned_ns for a, b in pairwise(ticks)) if len(ticks) > 1 else 0
    seen = [t.started_ns for t in ticks if t.error is None and starts_ns <= t.started_ns <= ends_ns]
    gaps = [b - a for a, b in pairwise([starts_ns, *seen, ends_ns])]
    blind_s = sum(gap - period for gap in gaps if gap > MISSED_PERIODS * period) / 1e9
    if blind_s <= 0:
        return 0.0, ""
    errors = Counter(t.error for t in ticks if t.error)
    why = errors.most_common(1)[0][0] if errors else "ticks came late or not at all"
    return blind_s, f"{ticks[0].probe}: {why}"
