"""The samples of one wait, as compact as its use allows: to decide which of them lie in waits that the log
has. Pure.

A statement waits for one lock after another, each a part of its wait. The log has a part from its beginning, but
for a stamp that comes late; so samples of one part are treated alike, but for those soon after it began and the
last one, whose error may reach into the part that comes next (the one before it lies an error earlier still). The
others are kept as one.
"""

from typing import NamedTuple

_STAMPS_LATE_NS = 1_000_000_000
"""How late a busy server may stamp a line."""


class WaitSample(NamedTuple):
    """Successive samples that showed a wait, `hits` of them: its beginning by the server, and the time of the last
    one was, both give or take an error. `part`: the lock of the wait, identified by when the server reports that
    it began; None where it does not."""

    since_ns: int
    at_ns: int
    error_ns: int
    part: int | None = None
    hits: int = 1


def add(samples: list[WaitSample], sample: WaitSample) -> None:
    """Adds the next sample of the same wait."""
    if len(samples) > 1 and _alike(samples[-2], samples[-1]) and _alike(samples[-1], sample):
        last = samples.pop()
        samples[-1] = _joined(samples[-1], last)
    samples.append(sample)


def _alike(one: WaitSample, other: WaitSample) -> bool:
    if one.part is None or other.part is None:
        return one.part is other.part
    old = one.at_ns - one.since_ns > _STAMPS_LATE_NS
    return old and one.part == other.part and abs(one.since_ns - other.since_ns) <= one.error_ns + other.error_ns


def _joined(one: WaitSample, last: WaitSample) -> WaitSample:
    """The surest reading of the beginning counts."""
    surest = min(one, last, key=lambda sample: sample.error_ns)
    return WaitSample(surest.since_ns, last.at_ns, surest.error_ns, last.part, one.hits + last.hits)
