"""Outcomes of transactions, and retries after an attempt was lost to another transaction."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from reports.findings.pooling import summed

LOST: tuple[str, ...] = ("conflict", "busy_snapshot", "deadlock", "lock_timeout")
"""Outcomes of attempts that failed because of another transaction."""

TransactionKind = tuple[str, str]
"""Database and operation."""


@dataclass(frozen=True)
class Ended:
    """Attempts of one operation on one database that began in the judged time, by outcome. `retries` counts those that
    follow a lost attempt of the same request; None where requests have no key."""

    outcomes: Mapping[str, int]
    retries: int | None

    @property
    def attempts(self) -> int:
        return sum(self.outcomes.values())

    @property
    def lost(self) -> int:
        return sum(self.outcomes.get(name, 0) for name in LOST)

    def __add__(self, other: "Ended") -> "Ended":
        known = [n for n in (self.retries, other.retries) if n is not None]
        return Ended(Counter(self.outcomes) + Counter(other.outcomes), sum(known) if known else None)


Endings = Mapping[TransactionKind, Ended]
"""In the order of databases and operations. Empty: unknown, because no pod wrote its transactions."""


def endings_by_operation(found: Endings) -> dict[str, Ended]:
    """All databases of a storage together."""
    return summed({operation: entry} for (_, operation), entry in found.items())
