"""Who was doing what when, from sights of sessions in their transactions. Pure. Times by the server's clock."""

from bisect import bisect_right, insort
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

_KEPT = 64
_STAMPS_NS = 2_000_000
"""How far apart two moments may seem that are one."""


@dataclass(slots=True)
class Sight:
    """One transaction of a process, as far as it was seen. `own`: a name that the session bears in all of them."""

    transaction: object
    since_ns: int
    until_ns: int
    operation: str | None
    own: bool


class Names:
    """What processes were doing. A lock is held to the end of a transaction: one sight tells for all of it."""

    def __init__(self) -> None:
        self._cuts: list[int] = []
        self._sights: dict[int, dict[object, Sight]] = defaultdict(dict)

    def see(self, pid: int, sight: Sight) -> None:
        """Joins it to the other sights of that transaction."""
        sights = self._sights[pid]
        known = sights.get(sight.transaction)
        if known is None:
            sights[sight.transaction] = sight
            if len(sights) > _KEPT:
                del sights[next(iter(sights))]
        else:
            known.since_ns = min(known.since_ns, sight.since_ns)
            known.until_ns = max(known.until_ns, sight.until_ns)
            known.operation = sight.operation or known.operation

    def operation(self, pid: int, moments: Sequence[int]) -> str | None:
        """What it was doing at one of the moments, of which there is one at least; else a name of its own, that of the
        sight nearest to them; None when nothing tells."""
        first_ns, last_ns = min(moments), max(moments)
        sights = list(self._sights.get(pid, {}).values())
        for slack_ns in (0, _STAMPS_NS):
            for sight in reversed(sights):
                if sight.since_ns - slack_ns <= last_ns and sight.until_ns + slack_ns >= first_ns:
                    return sight.operation
        own = [s for s in sights if s.own and self._life(s.until_ns) == self._life(first_ns)]
        return min(own, key=lambda s: abs(s.until_ns - first_ns), default=_NOBODY).operation

    def cut(self, at_ns: int) -> None:
        """From then on the server is another one, and gives old numbers to new processes."""
        insort(self._cuts, at_ns)

    def _life(self, at_ns: int) -> int:
        return bisect_right(self._cuts, at_ns)


_NOBODY = Sight(None, 0, 0, None, True)
