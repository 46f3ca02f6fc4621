"""One row for every operation: nothing lost, or the loss counted.

At any moment `begun = written + in flight + not yet flushed + lost`; after `drain`, `begun = written + lost`.
"""

import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic_ns
from typing import Final

import gevent
import gevent.event
import pyarrow as pa

from loadtests.generator.rows import NO_KEY, NO_TIME, Rows, pack, unpack
from loadtests.generator.sinks import Sink
from loadtests.records.streams import BATCH_INTERVAL_S
from loadtests.records.vocabulary import ERRORS, OPERATIONS, OUTCOMES, TOPICS
from loadtests.users.recording import NO_POSITION, PendingOperation, PushTimes, TopicPosition, Who

_OPERATION: Final = {name: code for code, name in enumerate(OPERATIONS)}
_OUTCOME: Final = {name: code for code, name in enumerate(OUTCOMES)}
_ERROR: Final = {name: code for code, name in enumerate(ERRORS)}
_TOPIC: Final = {name: code for code, name in enumerate(TOPICS)}
_BAD_REPLY: Final = _ERROR["bad_reply"]
"""The code of every error that is not in the vocabulary: such a reply breaks the protocol."""

LEAST_RESERVED: Final = 512
"""The fewest operations that are announced at a time; else as many as half a second's at the present rate."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Totals:
    """How far a worker is. `in_flight` are the operations under way or, once drained, those that were written as
    `unknown` because the run ended; `error` is why rows were lost, empty when none was."""

    begun: int
    written: int
    in_flight: int
    lost: int
    error: str


class Recorder:
    """The one recorder of a worker. Nothing it does raises into a user.

    `reserved` bounds the numbers of operations, and is reported before they are used: if the worker is killed,
    `reserved` less the rows written is the most that was lost. `announce` is set when half of a reservation is used.
    """

    def __init__(self, sink: Sink, origin_ns: int, on_rows: Callable[[Rows], None] | None = None) -> None:
        """`origin_ns` is CLOCK_MONOTONIC at time 0, on this host; `on_rows` sees every batch when it is flushed."""
        self._sink = sink
        self._origin_ns = origin_ns
        self._on_rows = on_rows
        self._in_flight: dict[int, PendingOperation] = {}
        self._packed: list[bytes] = []
        self._begun = 0
        self._block = self.reserved = LEAST_RESERVED
        self._reserve_at = LEAST_RESERVED // 2
        self._keep_reserved()
        self.announce = gevent.event.Event()
        self._lost = 0
        self._ended_by_drain = 0
        self._error = ""
        self._drained = False
        self._flusher = gevent.spawn(self._flush_for_ever)

    def now_ns(self) -> int:
        return monotonic_ns() - self._origin_ns

    def begin(
        self, who: Who, operation: str, key: int, chat: int | None = None, planned_ns: int | None = None
    ) -> PendingOperation:
        """An operation begins now; it was due at `planned_ns` (ns since the origin; None: now). Hand the result to
        `end`. What begins after `drain` belongs to no run and is not counted."""
        started = monotonic_ns() - self._origin_ns
        seq = self._begun
        pending = (
            seq,
            *who,
            _OPERATION[operation],
            key,
            NO_KEY if chat is None else chat,
            started if planned_ns is None or planned_ns > started else planned_ns,
            started,
        )
        if not self._drained:
            self._begun = seq + 1
            self._in_flight[seq] = pending
            if seq >= self._reserve_at:
                self._reserve(seq)
        return pending

    def end(
        self,
        pending: PendingOperation,
        outcome: str,
        error: str = "",
        ended_ns: int | None = None,
        at: TopicPosition = NO_POSITION,
    ) -> int:
        """The operation ended at `ended_ns` (ns since the origin; None: now), `at` in a topic; returns when. Ending
        twice, or after `drain`, changes nothing."""
        ended = monotonic_ns() - self._origin_ns if ended_ns is None else ended_ns
        if self._in_flight.pop(pending[0], None) is pending:
            self._write(pending, _OUTCOME[outcome], _ERROR.get(error, _BAD_REPLY), ended, at=at)
        return ended

    def push(self, who: Who, operation: str, key: int, chat: int | None, times: PushTimes) -> None:
        if not self._drained:
            seq = self._begun
            self._begun = seq + 1
            if seq >= self._reserve_at:
                self._reserve(seq)
            started = NO_TIME if times.started_ns is None else times.started_ns
            planned = NO_TIME if times.planned_ns is None else times.planned_ns
            pending = (seq, *who, _OPERATION[operation], key, NO_KEY if chat is None else chat, planned, started)
            published = NO_TIME if times.published_ns is None else times.published_ns
            self._write(pending, 0, 0, times.ended_ns, published, at=times.at)

    def totals(self) -> Totals:
        in_flight = self._ended_by_drain if self._drained else len(self._in_flight)
        return Totals(self._begun, self._sink.rows, in_flight, self._lost, self._error)

    def flush(self) -> None:
        """Hands on every row there is; the flusher does so every 250 ms."""
        packed, self._packed = self._packed, []
        if not packed:
            return
        rows = unpack(packed)
        if self._error:
            self._lost += len(rows)
        else:
            self._hand_on(rows)
        if self._on_rows is not None:
            try:
                self._on_rows(rows)
            except Exception:
                _log.exception("live statistics did not take %d rows; they are recorded all the same", len(rows))

    def drain(self) -> Totals:
        """Ends the record: operations under way are written as `unknown`, `run_ended`. Draining twice is harmless."""
        if self._drained:
            return self.totals()
        self._drained = True
        self._flusher.kill(block=False)
        ended = self.now_ns()
        self._ended_by_drain = len(self._in_flight)
        for pending in self._in_flight.values():
            self._write(pending, _OUTCOME["unknown"], _ERROR["run_ended"], ended)
        self._in_flight.clear()
        self.flush()
        try:
            self._sink.close()
        except OSError as error:
            self._fail(error)
        return self.totals()

    def _reserve(self, seq: int) -> None:
        self.reserved = max(self.reserved, seq + 1 + self._block)
        self._reserve_at = self.reserved - self._block // 2
        self._keep_reserved()
        self.announce.set()

    def _keep_reserved(self) -> None:
        with suppress(OSError):  # a disk that fails loses rows too, and that ends the run
            self._sink.reserve(self.reserved)

    def _write(  # noqa: PLR0913  a row
        self,
        pending: PendingOperation,
        outcome: int,
        error: int,
        ended_ns: int,
        published_ns: int = NO_TIME,
        *,
        at: TopicPosition = NO_POSITION,
    ) -> None:
        seq, pod, account, user, connection, operation, key, chat, planned, started = pending
        # A duration is at least 1 ns: two readings of a coarse clock may be equal.
        ended = ended_ns if ended_ns > started else started + 1
        self._packed.append(
            pack(
                seq, pod, account, user, connection, operation, key, chat, outcome,
                planned, started, ended, published_ns, error,
                _TOPIC[at.topic], NO_TIME if at.sequence is None else at.sequence,
            )
        )  # fmt: skip

    def _hand_on(self, rows: Rows) -> None:
        try:
            self._sink.write(rows)
        except (OSError, pa.ArrowException) as error:
            self._fail(error)
            self._lost += len(rows)

    def _fail(self, error: Exception) -> None:
        if not self._error:
            self._error = f"operations can no longer be recorded: {error}"
            _log.error(self._error)

    def _flush_for_ever(self) -> None:
        while True:
            before = self._begun
            gevent.sleep(BATCH_INTERVAL_S)
            self._block = max(LEAST_RESERVED, 2 * (self._begun - before))
            self.flush()
