"""What becomes of a request that was sent to a pod."""

from time import monotonic_ns
from typing import NamedTuple

from loadtests.wire.codecs.messages import Reply


class Answer(NamedTuple):
    """What became of a request, and when: `ended_ns` is when the reply's bytes came to this host or, without a reply,
    when we no longer waited for it (CLOCK_MONOTONIC)."""

    reply: Reply
    ended_ns: int


def no_reply(key: str, error: str) -> Answer:
    reply = Reply(key, "unknown" if error in {"cut_off", "timeout"} else "fail", error, {})
    return Answer(reply, monotonic_ns())
