"""Combines the log's and the sampler's view of the same waits; nothing is counted twice. Pure.

A wait longer than the threshold is taken from the log, exactly. Its samples are left out; the remaining
samples are waits too short for the log, which samples times period count without bias. While there is no log, all
are the sampler's.
"""

from collections import defaultdict, deque
from collections.abc import Callable, Iterable
from typing import NamedTuple

from loadtests.probes.wait_samples import WaitSample
from loadtests.probes.waits import Chain, Wait

_KEPT_NS = 300 * 10**9
FOR_EVER = 1 << 62


class Competitors(NamedTuple):
    """Sessions of which the log does not show which one blocked a wait: those that queued before it for a lock that
    may be shared, and those that held it together, none where one did."""

    queue: frozenset[int]
    holders: frozenset[int]

    def decided_by(self, seen: Chain, logged: Chain) -> bool:
        """Whether the sampler decides. It sees in which mode a lock is held, and so whether its holder or a queue
        blocks. And it sees which of several holders released last: the log names them once, in no order."""
        sampled_blocker, logged_blocker = seen.blocker.session, logged.blocker.session
        of_several = bool(self.holders) and sampled_blocker in self.holders | self.queue
        return of_several or (sampled_blocker in self.queue) != (logged_blocker in self.queue)


class WaitReconciler:
    """Waits of one database, by our own clock."""

    def __init__(self) -> None:
        self._sampled: list[Wait] = []
        self._logged: list[Wait] = []
        self._spans: dict[int | None, deque[tuple[int, int]]] = defaultdict(deque)

    def sampled(self, waits: Iterable[Wait]) -> None:
        """Adds waits that the sampler has seen end."""
        self._sampled += waits

    def logged(self, waits: Iterable[Wait], competitors: Iterable[Competitors]) -> None:
        """Waits that the log has completed, or that last at the end of the run; with the competitors of each."""
        sampled: dict[int | None, list[Wait]] = defaultdict(list)
        for sample in self._sampled:
            sampled[sample.lock.session].append(sample)
        for wait, others in zip(waits, competitors, strict=True):
            session, span = wait.lock.session, (wait.started_ns, wait.ended_ns or FOR_EVER)
            self._spans[session].append(span)
            samples = [s for s in sampled.get(session, ()) if _belongs_to(s, span)]
            self._logged.append(_completed(wait, samples, others))

    def settled(self, until_ns: int, unsettled: Callable[[], Iterable[tuple[int, int, int]]] = tuple) -> list[Wait]:
        """Waits to be written. Those sampled are when they ended before `until_ns`, up to which the log is known.
        `unsettled`: session, beginning and end of waits that the log has not completed."""
        out, self._logged = self._logged, []
        due, self._sampled = _partition(self._sampled, lambda wait: (wait.ended_ns or 0) < until_ns)
        if due:
            spans: dict[int | None, list[tuple[int, int]]] = defaultdict(list)
            for session, *span in unsettled():
                spans[session].append((span[0], span[1]))
            # Waits that the log has not completed yet take their blocker from the samples, which are kept until then.
            kept, due = _partition(due, lambda wait: any(_belongs_to(wait, span) for span in spans[wait.lock.session]))
            self._sampled += kept
        for wait in due:
            left = [sample for sample in wait.samples if not self._is_logged(wait, sample)]
            out += [_of_samples(wait, left)] if left else []
        return out

    def _is_logged(self, wait: Wait, sample: WaitSample) -> bool:
        """Whether the log has completed the wait of a sample."""
        for span in reversed(self._spans.get(wait.lock.session, ())):
            if _covers(span, sample):
                return True
            if span[1] < sample.since_ns:
                break
        return False

    def forget(self, now_ns: int) -> None:
        """Spans too old for any wait that is not settled."""
        for session, spans in list(self._spans.items()):
            while spans and spans[0][1] < now_ns - _KEPT_NS:
                spans.popleft()
            if not spans:
                del self._spans[session]


def _partition(waits: Iterable[Wait], matches: Callable[[Wait], bool]) -> tuple[list[Wait], list[Wait]]:
    """The waits that match, and the others."""
    found: tuple[list[Wait], list[Wait]] = [], []
    for wait in waits:
        found[not matches(wait)].append(wait)
    return found


def _belongs_to(wait: Wait, span: tuple[int, int]) -> bool:
    """Whether samples of the wait are of the logged one."""
    return any(_covers(span, sample) for sample in wait.samples)


def _covers(span: tuple[int, int], sample: WaitSample) -> bool:
    """Whether what was seen is in the logged wait. A session waits for one lock at a time; what it was seen to wait for
    before that was another part, too short to be logged."""
    begin_ns, end_ns = span
    return begin_ns - sample.error_ns <= sample.at_ns and sample.since_ns < end_ns


def _of_samples(wait: Wait, left: list[WaitSample]) -> Wait:
    """The part of the wait that is not in the log."""
    if len(left) < len(wait.samples):
        half_ns = (wait.ended_ns or wait.last_ns) - wait.last_ns
        if left[0] is not wait.samples[0]:
            wait.started_ns = left[0].since_ns
        wait.ended_ns = left[-1].at_ns + half_ns
        wait.hits, wait.last_ns, wait.samples = sum(sample.hits for sample in left), left[-1].at_ns, left
    return wait


def _completed(wait: Wait, samples: list[Wait], competitors: Competitors) -> Wait:
    """The log's wait with what only the sampler knows: the blocker where the server named none, and the row; which of
    several was in its way."""
    best = max(samples, key=lambda s: s.hits or 0, default=None)
    if best is None:
        return wait
    if wait.object == "transaction" and best.object != "transaction":
        wait.object, wait.name = best.object, best.name
    seen, logged = best.chain, wait.chain
    if seen is not None and (logged is None or competitors.decided_by(seen, logged)):
        wait.chains.clear()
        wait.chains[seen] += 1
    return wait
