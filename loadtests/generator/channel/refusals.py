"""What the master refuses from workers: messages beyond a budget, and others; each reason is reported once."""

import logging
import time
from collections import Counter
from collections.abc import Callable
from typing import Final

_MOST_OF_SENDER: Final = 10
_MOST: Final = 500
"""Different reasons that are reported, of one sender and of all: a sender chooses the words in them."""

_log = logging.getLogger(__name__)


class Refusals:
    """Counts refused messages, and reports those that are the first of their kind."""

    def __init__(self, answer: Callable[[str, str], None]) -> None:
        """`answer` is called with sender and reason at the first refusal of a kind."""
        self._answer = answer
        self._reported: set[tuple[str, str]] = set()
        self._of_sender: Counter[str] = Counter()
        self.total = 0

    def report(self, sender: str, reason: str) -> None:
        """Logs and answers a refusal that is the first of its kind. An unknown sender is the empty text."""
        self.total += 1
        if self._of_sender[sender] >= _MOST_OF_SENDER or (sender, reason) in self._reported:
            return
        if len(self._reported) >= _MOST:
            return
        self._reported.add((sender, reason))
        self._of_sender[sender] += 1
        _log.warning("refused a message of %s: %s", sender or "an unknown worker", reason)
        if sender:
            self._answer(sender, reason)


class Budget:
    """Refills steadily up to `burst`."""

    def __init__(self, per_second: float, burst: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_second, self._burst, self._clock = per_second, burst, clock
        self._left, self._at = burst, clock()

    def take(self) -> bool:
        """Takes one; False when none is left."""
        now = self._clock()
        self._left = min(self._burst, self._left + (now - self._at) * self._per_second)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True
