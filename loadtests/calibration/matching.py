"""Which row of the observer's is about which wait that there was. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from loadtests.calibration.truth import Expected


@dataclass(frozen=True)
class Told:
    """A wait as a source tells it; times in ns since the origin. `hits` is None unless it was sampled."""

    session: int
    blocker: int | None
    root: int | None
    started_ns: int
    ended_ns: int
    known: str
    hits: int | None = None
    outcome: str = "unknown"

    def worth_ns(self, period_ns: int) -> int:
        """How long it counts as having lasted: sights of a sampler, each worth its period, or its own span."""
        if self.known == "sampled" and self.hits is not None:
            return self.hits * period_ns
        return max(self.ended_ns - self.started_ns, 0)


@dataclass(frozen=True)
class Matched:
    """Each wait with the row about it, or None; and the rows about none."""

    pairs: Sequence[tuple[Expected, Told | None]]
    left: Sequence[Told]


def match(expected: Sequence[Expected], told: Iterable[Told], slack_ns: int = 0) -> Matched:
    """Of a session's waits and rows those belong together that share the most time, each to one other at most.

    Waits that are shorter than clocks are exact still touch the rows about them when both are stretched by `slack_ns`.
    """
    rows = list(told)
    of_session: dict[int, list[int]] = defaultdict(list)
    for number, row in enumerate(rows):
        of_session[row.session].append(number)
    shared = sorted(
        (
            (_shared_ns(wait, rows[r], slack_ns), w, r)
            for w, wait in enumerate(expected)
            for r in of_session[wait.session]
        ),
        key=lambda found: -found[0],
    )
    row_of: dict[int, int] = {}
    taken: set[int] = set()
    for shared_ns, w, r in shared:
        if shared_ns >= 0 and w not in row_of and r not in taken:
            row_of[w] = r
            taken.add(r)
    pairs = [(wait, rows[row_of[w]] if w in row_of else None) for w, wait in enumerate(expected)]
    return Matched(pairs, [row for r, row in enumerate(rows) if r not in taken])


def _shared_ns(wait: Expected, row: Told, slack_ns: int) -> int:
    """Below zero when they are apart, also when stretched."""
    return min(wait.ended_ns, row.ended_ns) - max(wait.started_ns, row.started_ns) + 2 * slack_ns
