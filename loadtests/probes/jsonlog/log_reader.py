"""Reads the log of one server and reconciles it with the sampler. A thin shell."""

import secrets
from collections import deque
from collections.abc import Container
from pathlib import Path

from loadtests.probes.clocks import CLOCK_SET_NS, ServerClock
from loadtests.probes.contract import ServerClockOffset
from loadtests.probes.jsonlog.conversion import Relations, see, to_wait
from loadtests.probes.jsonlog.lines import BEAT, LogEvent, event
from loadtests.probes.jsonlog.names import ProcessActivity
from loadtests.probes.jsonlog.reconciling import FOR_EVER, Competitors, WaitReconciler
from loadtests.probes.jsonlog.tail import Tail
from loadtests.probes.jsonlog.waits import LoggedWait, LoggedWaits, relation_of
from loadtests.probes.waits import Wait

_GRACE_NS = 500_000_000
"""How long after a moment all that was written before it is in the log."""
_BEAT_LATE_NS = 3_000_000_000
_OLD_NS = 60_000_000_000
"""A file that the log goes on in may have been there for a week: what is older than this is not of now."""
_NAMES_LAST_NS = 300_000_000_000
_MOST_SNAPSHOTS = 40
"""So many of the last ones are kept, for a line that is read after them: two seconds of them."""
_PIECES = 4
"""Of eight megabytes, at one reading: the sampler wants its turn."""
_SILENT = "the server's log does not come here: what the server was asked to write there is not in {}"


class LogReader:
    """What is known of a server's waits, from its log and from the sampler, by our own clock.

    `bad` counts relevant lines that could not be read, `lost` how often something was passed
    over. A beat whose stamp is far from when it was sent came late, or the server's clock was set: until that is read
    anew, what was logged since the beat before is not believed.
    """

    def __init__(self, clock: ServerClock) -> None:
        self.database: str | None = None
        self.clock = clock
        self.names, self.relations, self.reconciler = ProcessActivity(), Relations(), WaitReconciler()
        self.waits = LoggedWaits(0)
        self.bad = self._lost = 0
        self._tail: Tail | None = None
        self._zone_s = 0
        self.encoding = "utf-8"
        self._stopped: str | None = "not opened yet"
        self._confirmed = False
        self._token = secrets.token_hex(8)
        self._beats: dict[str, int] = {}
        self._number = 0
        self._known_ns = 0
        self._doubted_ns: int | None = None
        self._reported: tuple[int, int] = (0, 0)
        self._ended: set[str] = set()
        self._snapshots: deque[tuple[int, Container[int | None]]] = deque(maxlen=_MOST_SNAPSHOTS)

    @property
    def why(self) -> str | None:
        """Why the log is not used; None while it is."""
        if self._stopped is not None or self._confirmed:
            return self._stopped
        return _SILENT.format(self._tail.path if self._tail else "it")

    @property
    def is_open(self) -> bool:
        """Whether there is a file to read, be it that of another server."""
        return self._stopped is None

    @property
    def doubts_clock(self) -> bool:
        return self._doubted_ns is not None

    @property
    def lost(self) -> int:
        return self._lost + (self._tail.lost if self._tail else 0)

    def news(self) -> str | None:
        """What became unreadable since it was last asked."""
        before, self._reported = self._reported, (self.lost, self.bad)
        lost, bad = self.lost - before[0], self.bad - before[1]
        words = [f"the log was cut, a line of it too long, or the server's clock set, {lost} times"] if lost else []
        words += [f"{bad} lines of the log could not be read"] if bad else []
        return "; ".join(words) or None

    def follow(self, path: Path, threshold_ns: int, zone_s: int) -> None:
        """Begins, or goes on, perhaps in another file. Raises OSError when the file cannot be read."""
        if self._tail is None or self._tail.path != path:
            following = Tail(path, from_start=self._tail is not None)
            self._leave_file()
            self._tail = following
        if self._stopped is not None or threshold_ns != self.waits.threshold_ns:
            self._confirmed = False
            self._begin(threshold_ns)
        self._zone_s, self._stopped = zone_s, None

    def stop(self, why: str) -> None:
        """Leaves all waits to the sampler from now on, also those that the log had open."""
        self._give_up()
        self._stopped = why

    def learn_clock(self, offset: ServerClockOffset) -> None:
        """A reading of the server's clock. Lines stamped by the old clock are converted by it."""
        if self.clock.was_set(offset):
            self._lost += 1
            self._begin_anew()
            self._snapshots.clear()
            self.names = ProcessActivity()
        elif self._doubted_ns is not None:
            self._confirm(self._doubted_ns)
        self.clock.learn(offset)

    def _give_up(self) -> None:
        if self._doubted_ns is None:
            self.waits.confirm()
        self._begin_anew()

    def _begin_anew(self) -> None:
        """Reports what the log has completed; the rest is the sampler's."""
        self._settle(FOR_EVER)
        self._confirmed, self._doubted_ns = False, None
        self._begin(self.waits.threshold_ns)

    def _begin(self, threshold_ns: int) -> None:
        self.waits = LoggedWaits(threshold_ns, self.relations.bare)
        self._beats.clear()

    def beat(self, now_ns: int) -> str:
        """What to have the server write to its log, now by its clock."""
        if any(now_ns - sent_ns > _BEAT_LATE_NS for sent_ns in self._beats.values()):
            self._give_up()
        self._number += 1
        words = f"{BEAT} {self._token} {self._number}"
        self._beats[words] = now_ns
        return words

    def not_sent(self, words: str) -> None:
        self._beats.pop(words, None)

    def read(self) -> None:
        """Takes what was logged since. Raises OSError when the file cannot be read any more."""
        if self._stopped is not None or self._tail is None:
            return
        moved = self._tail.moved()  # asked first: what was written before then is still read from the old file
        for _ in range(_PIECES):
            self._take(self._tail.lines())
        if moved:
            path = self._tail.path
            self._leave_file()
            self._tail = Tail(path, from_start=True)
        self._end_unseen(self._known_ns - _GRACE_NS)
        self._settle(self._known_ns - _GRACE_NS - self.waits.gap_ns)

    def _leave_file(self) -> None:
        """Its writer is done with it: what is left is read."""
        tail, self._tail = self._tail, None
        if tail is not None:
            while lines := tail.lines():
                self._take(lines)
            self._lost += tail.lost
            tail.close()

    def _take(self, lines: list[bytes]) -> None:
        for line in lines:
            try:
                found = event(line, self._zone_s, self.encoding)
            except ValueError:
                self.bad += 1
                continue
            if found is not None:
                self._understand(found)
        self._check_open()

    def _understand(self, found: LogEvent) -> None:
        if found.kind == "beat":
            self._take_beat(found)
            return
        if self._confirmed and found.at_ns < self._known_ns - _OLD_NS:
            return
        if found.kind == "started":
            self.names.cut(found.at_ns)
        if self._confirmed:
            see(found, self.names)
            self.relations.want(found.row.relation if found.row else relation_of(found.lock))
            self.waits.take(found)
            self.waits.doubt(found.session)

    def _take_beat(self, found: LogEvent) -> None:
        if (sent_ns := self._beats.pop(found.text, None)) is None:
            return
        self._beats = {words: sent for words, sent in self._beats.items() if sent > sent_ns}
        if abs(found.at_ns - sent_ns) > CLOCK_SET_NS:
            self._doubted_ns = found.at_ns
        else:
            self._confirm(found.at_ns)

    def _confirm(self, at_ns: int) -> None:
        """The log is known up to that moment, and its stamps are of a clock that stands."""
        self._confirmed, self._known_ns, self._doubted_ns = True, at_ns, None
        self.waits.confirm()

    def note_sample(self, at_ns: int, waiting: Container[int | None]) -> None:
        """A sample, at a time by the server's clock: the sessions that waited."""
        self._snapshots.append((at_ns, waiting))
        for wait in self.waits.open():
            if wait.started_ns < at_ns:
                wait.check(at_ns, wait.pid in waiting)

    def _check_open(self) -> None:
        """A line is read some time after it was written: samples since then count for the wait that it began."""
        for wait in (w for w in self.waits.open() if not w.checked):
            for at_ns, waiting in self._snapshots:
                if wait.started_ns < at_ns:
                    wait.check(at_ns, wait.pid in waiting)

    def _end_unseen(self, until_ns: int) -> None:
        """An error that was caught is in no log: the wait is over once the sampler has not seen it for long enough."""
        for wait in self.waits.open():
            if wait.unseen_ns is not None and wait.unseen_ns < until_ns:
                last_ns = max(wait.seen_ns, wait.parts[-1].started_ns + self.waits.threshold_ns)
                self.waits.end_unseen(wait, (last_ns + wait.unseen_ns) // 2)

    def _settle(self, until_ns: int) -> None:
        self._report(self.waits.settled(until_ns))
        self.waits.forget()

    def _report(self, waits: list[LoggedWait]) -> None:
        """Hands on those of our database."""
        ours = [wait for wait in waits if wait.first_event.database == self.database]
        reported = [to_wait(wait, self.waits, self.names, self.relations, self.clock.here) for wait in ours]
        self.reconciler.logged(reported, [_competitors(wait, self.waits) for wait in ours])

    def over(self) -> list[Wait]:
        """Waits to be written now."""
        here = self.clock.here
        if self.why is not None:
            # Should the oldest beat come after all, the log reports what is behind it.
            sent_ns = min(self._beats.values(), default=None)
            return self.reconciler.settled(FOR_EVER if sent_ns is None else here(self._complete_until(sent_ns)))

        def spans() -> list[tuple[int, int, int]]:
            return [(w.pid, here(w.started_ns), here(w.ended_ns or FOR_EVER)) for w in self.waits.unsettled]

        until_ns = here(self._complete_until(self._known_ns))
        self.reconciler.forget(until_ns)
        self.names.forget(self._known_ns - _NAMES_LAST_NS)
        return self.reconciler.settled(until_ns, spans)

    def _complete_until(self, known_ns: int) -> int:
        """The time up to which waits are complete, once the log is read up to `known_ns`."""
        return known_ns - _GRACE_NS - self.waits.gap_ns - self.waits.threshold_ns

    def end(self, probe: str) -> list[Wait]:
        """The remaining waits, once both probes have ended; waits that still last have no end."""
        self._ended.add(probe)
        if len(self._ended) < 2:
            return []
        if self.why is None:
            self._end_unseen(FOR_EVER)
            if self._doubted_ns is None:
                self.waits.confirm()
            self._settle(FOR_EVER)
            self._report(self.waits.open())
        if self._tail is not None:
            self._tail.close()
        return self.reconciler.settled(FOR_EVER)


def _competitors(wait: LoggedWait, waits: LoggedWaits) -> Competitors:
    part = wait.longest(wait.ended_ns or waits.now_ns)
    queued = part.lock.startswith("relation ") and wait.pid in part.queue
    queue = part.queue[: part.queue.index(wait.pid)] if queued else ()
    holders = frozenset(pid for _, pids in part.holders for pid in pids)
    return Competitors(frozenset(queue), holders if len(holders) > 1 else frozenset())
