# ruff: noqa: E501  sentences of the page are kept whole
"""Section: the systems at a glance."""

from reports.data.contract import ledger_checks
from reports.exports.figures import lock_wait_words
from reports.findings.operations import Measure
from reports.findings.study import Findings, StorageFindings
from reports.page.table import Cell, PageTable, number
from reports.sections.contract import Section
from reports.text.plain_names import ACCEPT
from reports.text.wording import duration, value, with_interval


def _table(findings: Findings) -> PageTable:
    rows: list[list[str | Cell]] = [
        [
            Cell(s.label, system=s.storage),
            *_accepts(s.measures.get(ACCEPT)),
            f"{lock_wait_words(s, ACCEPT)}{f' ({s.waits.known})' if s.waits.known else ''}",
            *(number(s.cpu_ms(role)) for role in ("pod", "database")),
            "unknown" if s.orphans is None else f"{s.orphans:,}",
            _ledger_verdict(s),
            findings.survives.get(s.storage) or "unknown",
            f"{len(s.pooled)}",
        ]
        for s in findings.storages
    ]
    limit = duration(findings.limits_s[ACCEPT])
    caption = (
        f"By system, judged stages, rounds pooled. Good: accepted within {limit} of the plan, of all attempts. CPU: "
        "processor milliseconds for each request answered (not observed, too, where it has no process of its own). "
        "Orphans and ledger: state of the storage system at the end."
    )
    columns = ["system", "accepts", "p50", "p99 and its interval", "good", "failed", "unknown", "lock wait, s per 1,000",
               "pod CPU", "database CPU", "orphans", "ledger", "a commit survives", "rounds"]  # fmt: skip
    return PageTable(caption, columns, rows, absent="not observed")


def _accepts(accept: Measure | None) -> list[str]:
    if accept is None or not accept.n:
        return ["0", *["no accepts"] * 5]
    shares = [(accept.good or 0) / accept.n, *(accept.outcomes[o] / accept.n for o in ("fail", "unknown"))]
    p50, p99 = accept.response["p50"], accept.response["p99"]
    figures = [value(p50) if p50 else "too few rows", with_interval(p99) if p99 else "too few rows"]
    return [f"{accept.n:,}", *figures, *(f"{share:.1%}" for share in shares)]


def _ledger_verdict(storage: StorageFindings) -> str:
    """The worst verdict in the ledgers of its rounds."""
    found = [str(c.get("verdict")) for run in storage.pooled for c in ledger_checks(run)]
    if "fail" in found:
        return "fail"
    whole = found and all(ledger_checks(run) for run in storage.pooled) and set(found) == {"pass"}
    return "pass" if whole else "unknown"


SECTION = Section(name="glance", question="happened", title="At a glance", beside=(_table,))
