"""What probes did not see, told from their own ticks: the one reading that conductor, report and gate share. Pure."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from loadtests.records.files import UnreadableError
from loadtests.records.rundirectory import RunDirectory

MISSED_PERIODS: Final = 3
"""Between two looks that saw something, and no failed one between them, so many periods are jitter, not blindness."""


LOG: Final = "/log"
"""How the name of a probe ends that follows a server's log. While it is blind, the sampler of that database still sees
every wait, if less exactly: nothing is unseen then."""


class Tick(NamedTuple):
    """One look of a probe; times in ns since the origin."""

    probe: str
    started_ns: int
    period_ns: int
    error: str | None


def read_ticks(directory: RunDirectory) -> list[Tick]:
    """Raises UnreadableError when the table has other columns, as one of an older version has."""
    found = []
    for batch in directory.batches("ticks"):
        if missing := set(Tick._fields) - set(batch.schema.names):
            raise UnreadableError(f"ticks.arrows has no column {', '.join(sorted(missing))}")
        found += [Tick(*row) for row in zip(*(batch[name].to_pylist() for name in Tick._fields), strict=True)]
    return found


def by_probe(ticks: Iterable[Tick]) -> dict[str, list[Tick]]:
    """Of the probes whose blindness leaves something unseen."""
    found: dict[str, list[Tick]] = defaultdict(list)
    for tick in ticks:
        if not tick.probe.endswith(LOG):
            found[tick.probe].append(tick)
    return found


def blind_windows(ticks: Sequence[Tick], begins_ns: int, ends_ns: int) -> list[tuple[int, int]]:
    """When one probe saw nothing between the two moments, in order.

    A look that saw something is good for one period, or for `MISSED_PERIODS` until the next; one that failed is blind
    from its beginning until the next look. So a probe that is starved or fails now and then cannot pass for one that
    sees.
    """
    period_ns = ticks[0].period_ns if ticks else 0
    looks = sorted((t.started_ns, t.error is None) for t in ticks if begins_ns <= t.started_ns < ends_ns)
    windows, at_ns, saw = [], begins_ns, bool(ticks)
    for next_ns, next_saw in [*looks, (ends_ns, True)]:
        blind_from_ns = at_ns + period_ns if saw else at_ns
        if next_ns > blind_from_ns and not (saw and next_ns - at_ns <= MISSED_PERIODS * period_ns):
            windows.append((blind_from_ns, next_ns))
        at_ns, saw = next_ns, next_saw
    return windows


def blind_time(ticks: Sequence[Tick], starts_ns: int, ends_ns: int) -> tuple[float, str]:
    """Seconds between two moments that the blindest probe did not observe, and the reason; `(0, "")` when there are
    none."""
    if not ticks:
        return max(ends_ns - starts_ns, 0) / 1e9, "no tick was written"
    return max(_blind_time_of_probe(of_one, starts_ns, ends_ns) for of_one in by_probe(ticks).values())


def _blind_time_of_probe(ticks: Sequence[Tick], starts_ns: int, ends_ns: int) -> tuple[float, str]:
    blind_s = sum(end - begin for begin, end in blind_windows(ticks, starts_ns, ends_ns)) / 1e9
    if blind_s <= 0:
        return 0.0, ""
    errors = Counter(t.error for t in ticks if t.error)
    why = errors.most_common(1)[0][0] if errors else "ticks came late or not at all"
    return blind_s, f"{ticks[0].probe}: {why}"
