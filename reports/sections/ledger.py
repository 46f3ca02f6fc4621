"""Section: the ledger, every check with how it is known and its evidence."""

from collections.abc import Mapping
from typing import Any

from reports.data.contract import ledger_checks
from reports.findings.study import Findings, StorageFindings
from reports.page.table import Cell, PageTable
from reports.sections.contract import Section

_SHOWN = 10


def _table(findings: Findings) -> PageTable:
    """One row for each check of each run, and one for a run without a ledger."""
    rows: list[list[str | Cell]] = []
    for run in findings.runs:
        rows += [_row(run.name, check) for check in ledger_checks(run)] or [_none(run.name)]
    caption = "What was reported to clients, compared with what was stored; evidence: at most ten keys per check."
    columns = ["run", "check", "verdict", "count", "known", "why", "evidence"]
    return PageTable(caption, columns, rows, len(columns), grouped=True)


def _row(run: str, check: Mapping[str, object]) -> list[str | Cell]:
    count, evidence, verdict = check.get("count"), check.get("evidence"), str(check.get("verdict"))
    keys = [str(key) for key in evidence[:_SHOWN]] if isinstance(evidence, list) else []
    return [
        run,
        str(check.get("check")),
        Cell(verdict, bad=verdict != "pass"),
        "unknown" if count is None else f"{count:,}" if isinstance(count, int) else str(count),
        str(check.get("known") or "unknown"),
        str(check.get("reason") or ""),
        Cell(f"{len(keys)} key{'s' if len(keys) > 1 else ''}", keys=keys) if keys else "",
    ]


def _none(run: str) -> list[str | Cell]:
    return [run, "all", Cell("unknown", bad=True), "unknown", "unknown", "the ledger is missing or empty", ""]


def _summary(_: Findings, storage: StorageFindings) -> dict[str, Any]:
    return {"orphans": {"count": storage.orphans, "known": "unknown" if storage.orphans is None else "ledger"}}


SECTION = Section(name="ledger", question="trust", title="The ledger", beside=(_table,), summary=_summary)
