"""The ledger on the page: every check, how it is known, and its evidence."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from reports.data.contract import ledger_checks
from reports.findings.study import Findings

_SHOWN = 10


@dataclass(frozen=True)
class LedgerRow:
    run: str
    check: str
    verdict: str
    count: str
    known: str
    why: str
    evidence: Sequence[str]

    @property
    def bad(self) -> bool:
        return self.verdict != "pass"


def ledger(findings: Findings) -> list[LedgerRow]:
    """One row for each check of each run, and one for a run without a ledger."""
    rows: list[LedgerRow] = []
    for run in findings.runs:
        rows += [_row(run.name, check) for check in ledger_checks(run)] or [_none(run.name)]
    return rows


def _row(run: str, check: Mapping[str, object]) -> LedgerRow:
    count, evidence = check.get("count"), check.get("evidence")
    return LedgerRow(
        run,
        str(check.get("check")),
        str(check.get("verdict")),
        "unknown" if count is None else f"{count:,}" if isinstance(count, int) else str(count),
        str(check.get("known") or "unknown"),
        str(check.get("reason") or ""),
        [str(key) for key in evidence[:_SHOWN]] if isinstance(evidence, list) else [],
    )


def _none(run: str) -> LedgerRow:
    return LedgerRow(run, "all", "unknown", "unknown", "unknown", "the ledger is missing or empty", [])
