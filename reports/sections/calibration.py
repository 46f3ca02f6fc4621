# ruff: noqa: E501  sentences of the page are kept whole
"""Section: how well each source of lock waits recovers waits of known length."""

from dataclasses import replace

from reports.data.contract import Calibrated
from reports.findings.study import Findings, StorageFindings
from reports.page.table import PageTable
from reports.sections.contract import Section, each
from reports.text.wording import NONE, listed


def calibration(findings: Findings) -> PageTable:
    """Every figure; those that did not pass come first."""
    found = sorted((row for s in findings.storages for row in s.calibration), key=lambda row: row.verdict == "pass")
    rows = [
        [c.verdict, c.run, c.engine, c.database, c.source, c.figure, _measured(c, c.value), _measured(c, c.bar), f"{c.n:,}",
         c.reason or NONE]
        for c in found
    ]  # fmt: skip
    caption = "Locks held for known times before the load began, compared with the probes' rows. Tolerance: the least share, or the largest error, that passes."
    columns = ["verdict", "run", "engine", "database", "source", "figure", "found", "tolerance", "n", "why"]
    return PageTable(
        caption,
        columns,
        rows,
        len(columns),
        "All figures of the calibrations",
        alarms=("fail", "unknown"),
        packed=True,
        absent="",
    )


def _doubted(findings: Findings) -> PageTable:
    whole = calibration(findings)
    rows = [row for row in whole.rows if row[0] != "pass"]
    title = "A probe is outside its tolerance: lock waits of those systems are unknown on this page and no evidence"
    return replace(whole, rows=rows, title=title if rows else "")


def _measured(row: Calibrated, figure: float | None) -> str:
    if figure is None:
        return "unknown"
    return f"{figure * 100:.4g} %" if row.unit in ("", "ratio") else f"{figure:.3g} {row.unit}"


def calibrated(findings: Findings) -> list[str]:
    """A line for each storage: sources within their tolerances, or those outside, which make its lock waits unknown."""
    return each(findings, _calibrated_of)


def _calibrated_of(storage: StorageFindings) -> str:
    rows = storage.calibration
    if not rows:
        if storage.waits.known is None:
            return "not calibrated, and its lock waits were not observed"
        return f"not calibrated; its lock waits (known: {storage.waits.known}) are used unverified"
    wrong = [row for row in rows if row.verdict != "pass"]
    if not wrong:
        sources = "; ".join(dict.fromkeys(f"{row.database}, {row.source}" for row in rows))
        text = (
            f"{len(rows):,} figures, all within their tolerances" if len(rows) > 1 else "1 figure, within its tolerance"
        )
        return f"{text} ({sources})"
    missed = listed(
        list(dict.fromkeys(f"{row.figure} by {row.source} on {row.database} ({row.verdict})" for row in wrong))
    )
    return f"outside its tolerance: {missed}; the lock waits of this system are unknown and no evidence"


SECTION = Section(
    name="calibration",
    question="trust",
    title="How well lock waits are known",
    finding=calibrated,
    beside=(_doubted,),
    folded=(calibration,),
    summary=lambda _, storage: {"calibration": [vars(row) for row in storage.calibration]},
)
