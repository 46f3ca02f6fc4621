"""What users record: operations, pushes, and why connections failed. The recorder itself is the generator's."""

import logging
from collections import Counter
from typing import Any, Final, NamedTuple, Protocol

from loadtests.wire.failures import ConnectionFailed

MAX_DETAILS: Final = 20
"""How many different sentences a worker keeps; the others are counted together."""

_log = logging.getLogger(__name__)

PendingOperation = tuple[int, int, int, int, int, int, int, int, int, int]
"""An operation under way: the row's columns up to `chat`, then planned and started."""


class Who(NamedTuple):
    """Who does something, and where to: the columns that stay the same through the life of a connection."""

    pod: int
    account: int
    user: int
    connection: int


class TopicPosition(NamedTuple):
    """A place in a topic: which of its account's it is, and the number there."""

    topic: str = ""
    sequence: int | None = None


NO_POSITION: Final = TopicPosition()


class PushTimes(NamedTuple):
    """When a push came and, where this worker knows its cause, when that was planned and started. All in ns since
    the run's origin; `published_ns` is the server's stamp on that clock. And where: `at`, in its topic."""

    ended_ns: int
    published_ns: int | None = None
    planned_ns: int | None = None
    started_ns: int | None = None
    at: TopicPosition = NO_POSITION


class OperationRecorder(Protocol):
    """Records operations as rows. Nothing that it does raises into a user."""

    def begin(
        self, who: Who, operation: str, key: int, chat: int | None = None, planned_ns: int | None = None
    ) -> PendingOperation: ...

    def end(
        self,
        pending: PendingOperation,
        outcome: str,
        error: str = "",
        ended_ns: int | None = None,
        at: TopicPosition = NO_POSITION,
    ) -> int: ...

    def push(self, who: Who, operation: str, key: int, chat: int | None, times: PushTimes) -> None: ...


class ConnectionFailures:
    """Counts of one worker and run."""

    def __init__(self) -> None:
        self._statuses: dict[str, Counter[str]] = {}
        self._details: Counter[tuple[str, str]] = Counter()

    def count(self, stage: str, failure: ConnectionFailed) -> None:
        """`stage` is the one in which the connection was planned."""
        if failure.status is not None:
            self._statuses.setdefault(stage, Counter())[str(failure.status)] += 1
        kind = failure.error, failure.detail
        if kind not in self._details:
            if len(self._details) >= MAX_DETAILS:
                kind = "", "other errors"
            else:
                _log.warning("a connection failed for the first time with %s: %s", *kind)
        self._details[kind] += 1

    def summary(self) -> dict[str, Any]:
        """What travels to the master, as part of a worker's state."""
        return {
            "by_stage": {stage: dict(counts) for stage, counts in self._statuses.items()},
            "details": [[error, detail, count] for (error, detail), count in self._details.items()],
        }
