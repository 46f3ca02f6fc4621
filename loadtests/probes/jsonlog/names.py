"""Which process did what when, from samples of sessions in their transactions. Pure. Times by the server's clock."""

from bisect import bisect_right, insort
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_KEPT = 64
_FORGETS_EVERY_NS = 10_000_000_000
_STAMPS_NS = 2_000_000
"""How far apart two moments may seem that are one."""


@dataclass(slots=True)
class TransactionActivity:
    """One transaction of a process, as far as it was seen. `own`: a name that the session bears in all of them."""

    transaction: object
    since_ns: int
    until_ns: int
    operation: str | None
    own: bool

    def join(self, other: "TransactionActivity") -> None:
        self.since_ns = min(self.since_ns, other.since_ns)
        self.until_ns = max(self.until_ns, other.until_ns)
        self.operation = other.operation or self.operation


class ProcessActivity:
    """What processes were doing. A lock is held to the end of a transaction: one sample is valid for all of it."""

    def __init__(self) -> None:
        self._forgot_ns = 0
        self._cuts: list[int] = []
        self._transactions: dict[int, dict[object, TransactionActivity]] = defaultdict(dict)
        self._own: dict[int, dict[object, TransactionActivity]] = defaultdict(dict)

    def see(self, pid: int, activity: TransactionActivity) -> None:
        """Joins it to the other samples of that transaction."""
        if activity.own:
            incarnation = self._incarnation(activity.until_ns)
            own = TransactionActivity(
                (activity.operation, incarnation), activity.since_ns, activity.until_ns, activity.operation, own=True
            )
            _keep(self._own[pid], own)
        _keep(self._transactions[pid], activity)

    def operation(self, pid: int, moments: Sequence[int]) -> str | None:
        """Its operation at one of the times, of which there is at least one; else its own name, that of the
        sample nearest to them; None when there is none."""
        first_ns, last_ns = min(moments), max(moments)
        nearly = None
        for activity in reversed(self._transactions.get(pid, {}).values()):
            if activity.since_ns <= last_ns and activity.until_ns >= first_ns:
                return activity.operation
            if activity.since_ns - _STAMPS_NS <= last_ns and activity.until_ns + _STAMPS_NS >= first_ns:
                nearly = nearly or activity
        return nearly.operation if nearly else self._own_name(self._own.get(pid, {}).values(), first_ns)

    def only_operation(self, pid: int, moments: Sequence[int]) -> str | None:
        """The operation of all its transactions at those moments; None when they differ or none was seen."""
        first_ns, last_ns = min(moments), max(moments)
        activities = self._transactions.get(pid, {}).values()
        found = {s.operation for s in activities if s.since_ns <= last_ns and s.until_ns >= first_ns}
        return found.pop() if len(found) == 1 else None

    def _own_name(self, own: Iterable[TransactionActivity], at_ns: int) -> str | None:
        incarnation = self._incarnation(at_ns)
        same = [activity for activity in own if self._incarnation(activity.until_ns) == incarnation]
        return min(same, key=lambda activity: abs(activity.until_ns - at_ns)).operation if same else None

    def cut(self, at_ns: int) -> None:
        """From then on the server is another one, and gives old numbers to new processes."""
        insort(self._cuts, at_ns)

    def forget(self, before_ns: int) -> None:
        """Processes that were not seen since, now and then: a pod that connects anew all the time has many."""
        if abs(before_ns - self._forgot_ns) < _FORGETS_EVERY_NS:
            return
        self._forgot_ns = before_ns
        for known in (self._transactions, self._own):
            for pid in [pid for pid, activities in known.items() if _last_ns(activities) < before_ns]:
                del known[pid]

    def __len__(self) -> int:
        return len(self._transactions)

    def _incarnation(self, at_ns: int) -> int:
        return bisect_right(self._cuts, at_ns)


def _last_ns(activities: dict[object, TransactionActivity]) -> int:
    return next(reversed(activities.values())).until_ns


def _keep(activities: dict[object, TransactionActivity], activity: TransactionActivity) -> None:
    known = activities.get(activity.transaction)
    if known is not None:
        known.join(activity)
        return
    activities[activity.transaction] = activity
    if len(activities) > _KEPT:
        del activities[next(iter(activities))]
