# mypy: disable-error-code="no-untyped-call"
"""Keeps Locust's master going: no message of a worker ends its listener or lets its memory grow without bound.

What is refused is reported once for each reason.
"""

import logging
from collections import Counter
from collections.abc import Callable, Container
from typing import Any, Final, cast

from locust.rpc import Message
from locust.runners import STATE_RUNNING, STATE_SPAWNING, MasterRunner

_MOST_EXCEPTIONS: Final = 200
_MOST_ERRORS: Final = 1000
_MOST_TIMES: Final = 1_000_000
"""Different exceptions, errors, response times and seconds that are kept for the web UI."""

_MOST_JOINED: Final = 10_000
_MOST_REASONS_OF_SENDER: Final = 10
_MOST_REASONS: Final = 500
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
        if self._of_sender[sender] >= _MOST_REASONS_OF_SENDER or (sender, reason) in self._reported:
            return
        if len(self._reported) >= _MOST_REASONS:
            return
        self._reported.add((sender, reason))
        self._of_sender[sender] += 1
        _log.warning("refused a message of %s: %s", sender or "an unknown worker", reason)
        if sender:
            self._answer(sender, reason)


def guard(runner: MasterRunner, most_workers: int | None = None) -> None:
    """Has the runner handle messages that fit its state only, and go on when handling one fails. Beyond `most_workers`
    no other worker joins: it would take over a part of the agents."""
    handle: Any = runner.handle_message
    refusals = refusals_of(runner)
    joined: set[str] = set()
    """Workers that have been of the runner: Locust forgets one that has stopped, whose last figures come after that."""

    def guarded(client_id: str, msg: Message) -> None:
        is_new = msg.type == "client_ready" and client_id not in runner.clients
        if is_new and most_workers is not None and len(runner.clients) >= most_workers:
            refusals.report(client_id, f"the master has its {most_workers} workers")
            return
        if not _fits(runner, client_id, msg, joined):
            return
        try:
            handle(client_id, msg)
        except Exception:
            _log.exception("a %s message of %s could not be handled", msg.type, client_id)
        if is_new and client_id in runner.clients and len(joined) < _MOST_JOINED:
            joined.add(client_id)

    runner.handle_message = guarded  # type: ignore[method-assign]


def refusals_of(runner: MasterRunner) -> Refusals:
    """What the runner's socket has refused so far."""
    server: Any = runner.server
    return cast(Refusals, server.refusals)


def _fits(runner: MasterRunner, client_id: str, msg: Message, joined: Container[str]) -> bool:
    match msg.type:
        case "client_ready":
            # A worker that was answered late repeats it; in mid-run Locust would share out the agents anew each time.
            return client_id not in runner.clients or runner.state not in (STATE_RUNNING, STATE_SPAWNING)
        case "exception":
            return len(runner.exceptions) < _MOST_EXCEPTIONS
        case "stats":
            return client_id in joined and not _is_full(runner)
        case "logs":
            return client_id in runner.clients
    return True


def _is_full(runner: MasterRunner) -> bool:
    """Whether Locust's statistics have more than workers that report what they measured can fill."""
    stats, total = runner.stats, runner.stats.total
    times = len(total.response_times) + len(total.num_reqs_per_sec) + len(total.num_fail_per_sec)
    return len(stats.errors) >= _MOST_ERRORS or times >= _MOST_TIMES
