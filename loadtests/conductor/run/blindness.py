"""How long the observer saw nothing, and why: for end.json."""

from collections import Counter
from collections.abc import Sequence

from loadtests.records.probe_coverage import Tick, blind_windows, by_probe


def blindness(ticks: Sequence[Tick], starts_ns: int, ends_ns: int) -> tuple[float, str]:
    """Seconds between `starts_ns` and `ends_ns` in which the blindest probe saw nothing, and why; `(0, "")` when it
    saw everything."""
    if not ticks:
        return max(ends_ns - starts_ns, 0) / 1e9, "no tick was written"
    return max(_of_probe(of_one, starts_ns, ends_ns) for of_one in by_probe(ticks).values())


def _of_probe(ticks: Sequence[Tick], starts_ns: int, ends_ns: int) -> tuple[float, str]:
    blind_s = sum(end - begin for begin, end in blind_windows(ticks, starts_ns, ends_ns)) / 1e9
    if blind_s <= 0:
        return 0.0, ""
    errors = Counter(t.error for t in ticks if t.error)
    why = errors.most_common(1)[0][0] if errors else "ticks came late or not at all"
    return blind_s, f"{ticks[0].probe}: {why}"
