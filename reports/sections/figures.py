"""Section: figures by operation and system, with service times, errors and rounds."""

from loadtests.records.vocabulary import OPERATIONS, OUTCOMES, PUSHES
from reports.data.handshakes import handshakes
from reports.exports.figures import SHOWN, lock_wait_words, recorded_outcomes
from reports.findings.operations import FROM_STAMP, MEASURES, Measure
from reports.findings.study import Findings, StorageFindings
from reports.page.table import Cell, PageTable, number
from reports.sections.contract import Section
from reports.text.plain_names import ACCEPT, title
from reports.text.wording import NONE, digits, interval, value

_SLO = (ACCEPT, "connection.create", "subscription.create", "message.send")
_FEW = "too few rows"
_NO_ROWS = "not recorded"


def _table(findings: Findings) -> PageTable:
    """Accept first, then in the order of the vocabulary; operations without rows are left out."""
    rows = [
        [title(name), Cell(s.label, system=s.storage), *_row(s, measure)]
        for name in dict.fromkeys((ACCEPT, *MEASURES, *(name for s in findings.storages for name in s.measures)))
        for s, measure in findings.of(name)
    ]
    judged = sorted({s.name for run in findings.runs for s in run.stages if s.judge})
    caption = (
        f"Response time, from the planned start, of the judged stages ({', '.join(judged) or 'none is marked'}); "
        "rounds pooled; beneath each figure its 95 % interval."
    )
    columns = ["operation", "system", "n", "per s", "failed", "unknown", *SHOWN, "refused", "lock wait, s per 1,000"]
    return PageTable(caption, columns, rows, 2, grouped=True, absent="unknown")


def _row(storage: StorageFindings, measure: Measure) -> list[str | Cell]:
    missing, recorded = "unknown" if measure.unreliable_clock else _FEW, recorded_outcomes(measure)
    percentiles = [
        Cell(value(found) if found else missing, interval(found).replace(NONE, "unknown"))
        for found in (measure.response[name] for name in SHOWN)
    ]
    counts = {name: f"{recorded[name]:,}" if name in recorded else _NO_ROWS for name in OUTCOMES}
    wrong = [Cell(counts[name], bad=bool(recorded.get(name))) for name in ("fail", "unknown")]
    return [
        f"{measure.n:,}",
        number(measure.rate_per_s),
        *wrong,
        *percentiles,
        counts["refused"],
        _lock_wait(storage, measure.name),
    ]


def _lock_wait(storage: StorageFindings, operation: str) -> Cell:
    if operation not in OPERATIONS or operation in PUSHES:
        return Cell("none of its own")
    bounds = storage.lock_wait_interval_s(operation)
    interval_text = "" if bounds is None else " … ".join(map(digits, bounds))
    return Cell(lock_wait_words(storage, operation), f"{storage.waits.known or ''}\n{interval_text}".strip())


def _service(findings: Findings) -> PageTable:
    rows = [
        [title(name), s.label, *(value(m.service[p]) for p in SHOWN)]
        for name in dict.fromkeys(name for s in findings.storages for name in s.measures)
        for s, m in findings.of(name)
        if name not in ("event.deliver", FROM_STAMP)
    ]
    caption = "From the actual start of the operation, judged stages, rounds pooled."
    return PageTable(caption, ["operation", "system", *SHOWN], rows, 2, "Service time", absent=_FEW, grouped=True)


def _errors(findings: Findings) -> PageTable:
    rows = [
        [s.label, title(m.name), error, f"{count:,}"]
        for s in findings.storages
        for m in s.measures.values()
        if m.name != FROM_STAMP
        for error, count in sorted(m.errors.items(), key=lambda pair: -pair[1])
    ]
    caption = "By error code, judged stages, rounds pooled."
    return PageTable(caption, ["system", "operation", "error", "n"], rows, 3, "Errors of operations", grouped=True)


def _connection_failures(findings: Findings) -> PageTable:
    """Empty when every connection opened."""
    rows = [
        [s.label, error or "not named", detail, f"{count:,}"]
        for s in findings.storages
        for (error, detail), count in handshakes(s.pooled).details.items()
    ]
    caption = "Whole runs: HTTP statuses, and other errors of the server or this host."
    return PageTable(caption, ["system", "error", "detail", "n"], rows, 3, "Errors of connections that did not open")


def _http_statuses(findings: Findings) -> PageTable:
    """Empty when no handshake was refused with a status."""
    rows = [
        [s.label, f"HTTP {status}", f"{found.judged.get(status, 0):,}", f"{count:,}"]
        for s in findings.storages
        for found in [handshakes(s.pooled)]
        for status, count in found.whole.items()
    ]
    columns = ["system", "status", "judged stages", "whole runs"]
    return PageTable("HTTP statuses of refused WebSocket handshakes.", columns, rows, 2)


def _rounds(findings: Findings) -> PageTable:
    rows = [
        [run, s.label, *(value(m.rounds[run]["p99"]) if m and run in m.rounds else NONE for m in measures)]
        for s in findings.storages
        for measures in [[s.measures.get(name) for name in _SLO]]
        for run in (r.name for r in s.pooled)
    ]
    caption = (
        "Response, judged stages. The spread between rounds of one system shows better than an interval how "
        "well a figure repeats."
    )
    return PageTable(caption, ["run", "system", *_SLO], rows, 2, "p99 round by round", absent=_FEW)


SECTION = Section(
    name="figures",
    question="happened",
    title="Figures",
    beside=(_table, _http_statuses),
    folded=(_service, _errors, _connection_failures, _rounds),
)
