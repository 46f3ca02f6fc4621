"""What becomes of a request that was sent to a pod."""

from time import monotonic_ns
from typing import NamedTuple

from loadtests.wire.codecs.messages import Reply
from loadtests.wire.failures import outcome_of


class Answer(NamedTuple):
    """What became of a request, and when: `ended_ns` is when the reply's bytes came to this host or, without a reply,
    when we no longer waited for it (CLOCK_MONOTONIC)."""

    reply: Reply
    ended_ns: int


def no_reply(key: str, error: str, *, sent: bool = True) -> Answer:
    """The answer to a request without a reply; `sent`: at least a part of it may have left this host."""
    return Answer(Reply(key, outcome_of(error, sent=sent), error, {}), monotonic_ns())
