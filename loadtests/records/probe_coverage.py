"""Times that probes did not observe, from their ticks: shared by conductor, report and gate. Pure."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from loadtests.records.files import UnreadableError
from loadtests.records.rundirectory import RunDirectory

MISSED_PERIODS: Final = 3
"""Up to so many periods between two successful samples are jitter, not a gap in observation."""


LOG: Final = "/log"
"""Suffix of probes that read a server's log. During a gap of such a probe the sampler of that database still observes
every wait, less exactly, so nothing is missed."""


class Tick(NamedTuple):
    """One sample of a probe; times in ns since the origin."""

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
    """Ticks of the probes whose gaps leave waits unobserved."""
    found: dict[str, list[Tick]] = defaultdict(list)
    for tick in ticks:
        if not tick.probe.endswith(LOG):
            found[tick.probe].append(tick)
    return found


def blind_windows(ticks: Sequence[Tick], begins_ns: int, ends_ns: int) -> list[tuple[int, int]]:
    """The intervals between two moments that one probe did not observe, in order.

    A successful sample covers one period, or the time until the next one if that is at most `MISSED_PERIODS`; a failed
    one covers nothing until the next sample. So a probe that is starved or fails now and then has gaps.
    """
    period_ns = ticks[0].period_ns if ticks else 0
    samples = sorted((t.started_ns, t.error is None) for t in ticks if begins_ns <= t.started_ns < ends_ns)
    windows, at_ns, saw = [], begins_ns, bool(ticks)
    for next_ns, next_saw in [*samples, (ends_ns, True)]:
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
