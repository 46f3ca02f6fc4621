"""One finding of the ledger: a check, its verdict, and what shows it."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from loadtests.ledger.stored import MOST_EVIDENCE, Keys

Known = Literal["rows", "storage", "rows and storage"]
"""The evidence: replies that the load received, what the storage holds, or both."""


@dataclass(frozen=True)
class LedgerFinding:
    """`count` None: unknown. `reason` says what was found, why it is not known, or what cannot be known of it."""

    check: str
    verdict: Literal["pass", "fail", "unknown"]
    count: int | None
    evidence: tuple[str, ...]
    reason: str
    known: Known

    def beside(self, words: str) -> "LedgerFinding":
        """With a note that holds for every result."""
        return replace(self, reason="; ".join(filter(None, [self.reason, words])))

    def document(self) -> dict[str, Any]:
        return {**asdict(self), "evidence": list(self.evidence)}


def found(check: str, known: Known, count: int, evidence: Iterable[str], reason: str) -> LedgerFinding:
    """`reason` says what it is that was counted, if there is any."""
    named = tuple(text for _, text in zip(range(MOST_EVIDENCE), evidence, strict=False))
    return LedgerFinding(check, "fail" if count else "pass", int(count), named, reason if count else "", known)


def of_keys(check: str, known: Known, keys: Keys, reason: str) -> LedgerFinding:
    return found(check, known, len(keys), (f"{key:016x}" for key in keys[:MOST_EVIDENCE].tolist()), reason)


def unknown(check: str, known: Known, reason: str) -> LedgerFinding:
    return LedgerFinding(check, "unknown", None, (), reason, known)
