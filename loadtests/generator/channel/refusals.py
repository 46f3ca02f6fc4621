"""What the master refused from workers: reported once for each reason, and answered, however often it happens."""

import logging
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
