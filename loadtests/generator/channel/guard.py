# mypy: disable-error-code="no-untyped-call"
"""Keeps Locust's master going: no message of a worker ends its listener or lets its memory grow without bound."""

import logging
from collections.abc import Container
from typing import Any, Final

from locust.rpc import Message
from locust.runners import STATE_RUNNING, STATE_SPAWNING, MasterRunner

from loadtests.generator.channel.refusals import Refusals

_MOST_EXCEPTIONS: Final = 200
_MOST_ERRORS: Final = 1000
_MOST_TIMES: Final = 1_000_000
"""Different exceptions, errors, response times and seconds that are kept for the web UI."""

_MOST_JOINED: Final = 10_000

_log = logging.getLogger(__name__)


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
    refusals: Refusals = server.refusals
    return refusals


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
