"""Why WebSockets did not open, as far as a row's small codes cannot say: HTTP statuses, and sentences."""

import logging
from collections import Counter
from typing import Any, Final

from loadtests.wire.failures import ConnectionFailed

MAX_DETAILS: Final = 20
"""How many different sentences a worker keeps; the others are counted together."""

_log = logging.getLogger(__name__)


class ConnectionFailures:
    """Counts of one worker and run."""

    def __init__(self) -> None:
        self._statuses: dict[str, Counter[str]] = {}
        self._details: Counter[tuple[str, str]] = Counter()

    def count(self, stage: str, failure: ConnectionFailed) -> None:
        """`stage` is the one in which the connection was planned."""
        if failure.refusal is not None:
            self._statuses.setdefault(stage, Counter())[str(failure.refusal.status)] += 1
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
