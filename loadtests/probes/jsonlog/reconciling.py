"""What the log tells and what the sampler sees of the same waits, nothing counted twice. Pure.

A wait longer than the threshold is the log's to tell, exactly. What the sampler saw of it is left out; what is left of
its sights are waits too short for the log, which samples times period count without bias. While there is no log, all
are the sampler's.
"""

from collections import defaultdict, deque
from collections.abc import Callable, Iterable
from typing import NamedTuple

from loadtests.probes.observations import Sight
from loadtests.probes.waits import Chain, Wait

_KEPT_NS = 300 * 10**9
FOR_EVER = 1 << 62


class Rivals(NamedTuple):
    """Sessions of which the log cannot tell who was in the way of a wait: those that queued before it for a lock that
    may be shared, and those that held it together, none where one did."""

    queue: frozenset[int]
    holders: frozenset[int]

    def decided_by(self, seen: Chain, told: Chain) -> bool:
        """Whether the sampler decides. It sees in which mode a lock is held: a holder is in the way, or who queues. And
        it sees who of several let go last: the log names them once, in no order."""
        ours, theirs = seen.blocker.session, told.blocker.session
        of_several = bool(self.holders) and ours in self.holders | self.queue
        return of_several or (ours in self.queue) != (theirs in self.queue)


class Ledger:
    """Waits of one database, by our own clock."""

    def __init__(self) -> None:
        self._sampled: list[Wait] = []
        self._logged: list[Wait] = []
        self._spans: dict[int | None, deque[tuple[int, int]]] = defaultdict(deque)

    def sampled(self, waits: Iterable[Wait]) -> None:
        """Waits that the sampler sees no more."""
        self._sampled += waits

    def logged(self, waits: Iterable[Wait], rivals: Iterable[Rivals]) -> None:
        """Waits that the log told to their end, or that last at the end of the run; with the rivals of each."""
        sampled: dict[int | None, list[Wait]] = defaultdict(list)
        for sight in self._sampled:
            sampled[sight.lock.session].append(sight)
        for wait, others in zip(waits, rivals, strict=True):
            session, span = wait.lock.session, (wait.started_ns, wait.ended_ns or FOR_EVER)
            self._spans[session].append(span)
            sights = [s for s in sampled.get(session, ()) if _saw(s, span)]
            self._logged.append(_completed(wait, sights, others))

    def settled(self, until_ns: int, unsettled: Callable[[], Iterable[tuple[int, int, int]]] = tuple) -> list[Wait]:
        """Waits to be written. Those sampled are when they ended before `until_ns`, up to which the log is known.
        `unsettled` tells session, beginning and end of what the log has not told to its end."""
        out, self._logged = self._logged, []
        due, self._sampled = _parted(self._sampled, lambda wait: (wait.ended_ns or 0) < until_ns)
        if due:
            spans: dict[int | None, list[tuple[int, int]]] = defaultdict(list)
            for session, *span in unsettled():
                spans[session].append((span[0], span[1]))
            # What the log has yet to tell is completed from what was seen of it: that is kept until then.
            kept, due = _parted(due, lambda wait: any(_saw(wait, span) for span in spans[wait.lock.session]))
            self._sampled += kept
        for wait in due:
            left = [sight for sight in wait.sights if not self._told(wait, sight)]
            out += [_of_sights(wait, left)] if left else []
        return out

    def _told(self, wait: Wait, sight: Sight) -> bool:
        """Whether the log told to its end what was seen."""
        for span in reversed(self._spans.get(wait.lock.session, ())):
            if _covers(span, sight):
                return True
            if span[1] < sight.since_ns:
                break
        return False

    def forget(self, now_ns: int) -> None:
        """Spans too old for any wait that is not settled."""
        for session, spans in list(self._spans.items()):
            while spans and spans[0][1] < now_ns - _KEPT_NS:
                spans.popleft()
            if not spans:
                del self._spans[session]


def _parted(waits: Iterable[Wait], those: Callable[[Wait], bool]) -> tuple[list[Wait], list[Wait]]:
    """Those, and the others."""
    found: tuple[list[Wait], list[Wait]] = [], []
    for wait in waits:
        found[not those(wait)].append(wait)
    return found


def _saw(wait: Wait, span: tuple[int, int]) -> bool:
    """Whether looks at the wait saw the one that the log tells of."""
    return any(_covers(span, sight) for sight in wait.sights)


def _covers(span: tuple[int, int], sight: Sight) -> bool:
    """Whether what was seen is in the logged wait. A session waits for one lock at a time; what it was seen to wait for
    before that was another part, too short to be logged."""
    begin_ns, end_ns = span
    return begin_ns - sight.error_ns <= sight.at_ns and sight.since_ns < end_ns


def _of_sights(wait: Wait, left: list[Sight]) -> Wait:
    """As much of the wait as the log does not tell."""
    if len(left) < len(wait.sights):
        half_ns = (wait.ended_ns or wait.last_ns) - wait.last_ns
        if left[0] is not wait.sights[0]:
            wait.started_ns = left[0].since_ns
        wait.ended_ns = left[-1].at_ns + half_ns
        wait.hits, wait.last_ns, wait.sights = sum(sight.hits for sight in left), left[-1].at_ns, left
    return wait


def _completed(wait: Wait, sights: list[Wait], rivals: Rivals) -> Wait:
    """The log's wait with what only the sampler knows: whom the server named nobody for, and which row; which of
    several was in its way."""
    best = max(sights, key=lambda s: s.hits or 0, default=None)
    if best is None:
        return wait
    if wait.object == "transaction" and best.object != "transaction":
        wait.object, wait.name = best.object, best.name
    seen, told = best.chain, wait.chain
    if seen is not None and (told is None or rivals.decided_by(seen, told)):
        wait.chains.clear()
        wait.chains[seen] += 1
    return wait
