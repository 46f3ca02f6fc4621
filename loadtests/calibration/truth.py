"""Which waits must have taken place, from what the sessions of a calibration did themselves, and which report belongs
to which of them. Pure."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass

from loadtests.calibration.plan import PlannedHold


@dataclass(frozen=True)
class LockRequest:
    """One statement that had to wait, as its session saw it.

    `position`: the session's in the hold; `quiet_ns`: what the same statement takes without a wait; times in ns since
    the origin; `outcome`: one of WAIT_OUTCOMES.
    """

    position: int
    sent_ns: int
    answered_ns: int
    quiet_ns: int
    outcome: str


@dataclass(frozen=True)
class CompletedHold:
    """A hold as it took place: the sessions' numbers in the server, the holder's first."""

    hold: PlannedHold
    sessions: Sequence[int]
    requests: Sequence[LockRequest]


@dataclass(frozen=True)
class ExpectedWait:
    """A wait that took place. `blocker` and `root`: the sessions that an observer may correctly name."""

    session: int
    started_ns: int
    ended_ns: int
    lock: str
    outcome: str
    blocker: frozenset[int]
    root: frozenset[int]
    error_ns: int = 0
    """The greatest error of `lasted_ns` itself."""

    @property
    def lasted_ns(self) -> int:
        return self.ended_ns - self.started_ns


def expected(
    behind_first: Collection[str], done: Iterable[CompletedHold], error_of_ns: Callable[[int, int], int]
) -> list[ExpectedWait]:
    """Every wait of the holds. `behind_first`: as in EngineCalibration. `error_of_ns`: this process's error of a
    duration between two times."""
    return [
        _wait(behind_first, one, request, error_of_ns(request.sent_ns, request.answered_ns))
        for one in done
        for request in one.requests
    ]


def _wait(behind_first: Collection[str], done: CompletedHold, request: LockRequest, error_ns: int) -> ExpectedWait:
    lasted_ns = max(request.answered_ns - request.sent_ns - request.quiet_ns, 0)
    # The statement's own time is partly before the wait and partly after it.
    started_ns = request.sent_ns + min(request.quiet_ns, request.answered_ns - request.sent_ns) // 2
    blocker, root = _blockers(behind_first, done.hold, done.sessions, request.position)
    return ExpectedWait(
        done.sessions[request.position],
        started_ns,
        started_ns + lasted_ns,
        done.hold.lock,
        request.outcome,
        frozenset(blocker),
        frozenset(root),
        error_ns,
    )


def _blockers(
    behind_first: Collection[str], hold: PlannedHold, sessions: Sequence[int], position: int
) -> tuple[set[int], set[int]]:
    """The sessions that may be named as direct blocker, and as root blocker, of the one in that position."""
    if hold.ending == "deadlock":  # a cycle has no head: its root is the session that closes it, or the other one
        return {sessions[1 - position]}, set(sessions)
    if hold.shape == "chain":
        return {sessions[position - 1]}, {sessions[0]}
    if position > 1 and hold.lock in behind_first:
        return {sessions[1]}, {sessions[0]}
    return {sessions[0]}, {sessions[0]}


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
