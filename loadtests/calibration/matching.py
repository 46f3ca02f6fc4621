"""Which reported wait belongs to which wait that took place. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from loadtests.calibration.truth import ExpectedWait


@dataclass(frozen=True)
class ReportedWait:
    """A wait as a source reports it; times in ns since the origin. `hits` is None unless it was sampled."""

    session: int
    blocker: int | None
    root: int | None
    started_ns: int
    ended_ns: int
    known: str
    hits: int | None = None
    outcome: str = "unknown"

    def duration_ns(self, period_ns: int) -> int:
        """The time that it counts for: a sampler's hits, each worth its period, or its own duration."""
        if self.known == "sampled" and self.hits is not None:
            return self.hits * period_ns
        return max(self.ended_ns - self.started_ns, 0)


@dataclass(frozen=True)
class MatchedWaits:
    """Each wait with its report, or None; and the reports that belong to no wait."""

    pairs: Sequence[tuple[ExpectedWait, ReportedWait | None]]
    unmatched: Sequence[ReportedWait]


def match(expected: Sequence[ExpectedWait], reported: Iterable[ReportedWait], slack_ns: int = 0) -> MatchedWaits:
    """Matches, within a session, the wait and the report that share the most time, each to one other at most.

    `slack_ns` stretches both, so that waits shorter than the clocks are exact still overlap their reports.
    """
    rows = list(reported)
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
    return MatchedWaits(pairs, [row for r, row in enumerate(rows) if r not in taken])


def _shared_ns(wait: ExpectedWait, row: ReportedWait, slack_ns: int) -> int:
    """Below zero when they do not overlap, also when stretched."""
    return min(wait.ended_ns, row.ended_ns) - max(wait.started_ns, row.started_ns) + 2 * slack_ns
