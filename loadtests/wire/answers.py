"""What becomes of a request that was sent to a server."""

from time import monotonic_ns
from typing import NamedTuple

from loadtests.protocols.contract import Reply
from loadtests.wire.failures import outcome_of


class TimedReply(NamedTuple):
    """How a request ended, and when (CLOCK_MONOTONIC): when the reply's bytes reached this host or, without a reply,
    when waiting for it ended."""

    reply: Reply
    ended_ns: int


def no_reply(key: int, error: str, *, sent: bool = True) -> TimedReply:
    """The end of a request without a reply; `sent`: at least a part of it may have left this host."""
    return TimedReply(Reply(key, outcome_of(error, sent=sent), error), monotonic_ns())
