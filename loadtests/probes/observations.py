"""What looks saw of one wait, in as little room as answers what is asked of it: which of them lie in waits that the log
tells. Pure.

A statement waits for one lock after another, each a part of its wait. The log tells of a part from its beginning, but
for a stamp that comes late; so looks at one part stand or fall together, but for those soon after it began and the
last one, whose error may reach into the part that comes next (the one before it lies an error earlier still). The
others are kept as one.
"""

from typing import NamedTuple

_STAMPS_LATE_NS = 1_000_000_000
"""How late a busy server may stamp a line."""


class Sight(NamedTuple):
    """Looks in a row that showed a wait, `hits` of them: since when it lasted by the server's word, and when the last
    one was, both give or take an error. `part`: which lock of the wait it was for, told by when the server says that
    it began; None where it does not."""

    since_ns: int
    at_ns: int
    error_ns: int
    part: int | None = None
    hits: int = 1


def add(sights: list[Sight], sight: Sight) -> None:
    """The next look at the wait that the others are of."""
    if len(sights) > 1 and _alike(sights[-2], sights[-1]) and _alike(sights[-1], sight):
        last = sights.pop()
        sights[-1] = _joined(sights[-1], last)
    sights.append(sight)


def _alike(one: Sight, other: Sight) -> bool:
    if one.part is None or other.part is None:
        return one.part is other.part
    old = one.at_ns - one.since_ns > _STAMPS_LATE_NS
    return old and one.part == other.part and abs(one.since_ns - other.since_ns) <= one.error_ns + other.error_ns


def _joined(one: Sight, last: Sight) -> Sight:
    """The surest reading of the beginning counts."""
    surest = min(one, last, key=lambda sight: sight.error_ns)
    return Sight(surest.since_ns, last.at_ns, surest.error_ns, last.part, one.hits + last.hits)
