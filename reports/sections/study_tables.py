# ruff: noqa: E501  sentences of the page are kept whole
"""Plain tables: the storages at a glance, service times, errors, rounds, runs, settings, versions."""

from collections.abc import Iterator, Mapping
from typing import Any

from reports.data.contract import ledger_checks
from reports.data.handshakes import handshakes
from reports.findings.operations import FROM_STAMP, Measure
from reports.findings.study import Findings, StorageFindings
from reports.page.table import PageTable, number
from reports.sections.figures import SHOWN, title
from reports.text.headline import ACCEPT
from reports.text.wording import NONE, digits, duration, value, with_interval


def overview(findings: Findings) -> PageTable:
    rows = [
        [
            s.storage,
            *_accepts(s.measures.get(ACCEPT)),
            _lock_wait(s),
            *(number(s.cpu_ms(role)) for role in ("pod", "database")),
            "unknown" if s.orphans is None else f"{s.orphans:,}",
            ledger_verdict(s),
            findings.survives.get(s.storage) or "unknown",
            f"{len(s.pooled)}",
        ]
        for s in findings.storages
    ]
    limit = duration(findings.limits_s[ACCEPT])
    caption = (
        f"By storage, judged stages, rounds pooled. Good: accepted within {limit} of the plan, of all attempts. CPU: "
        "processor milliseconds for each request answered (a dash without a process of its own, or where not observed). "
        "Orphans and ledger: state of the storage at the end."
    )
    columns = ["storage", "accepts", "p50", "p99 and its interval", "good", "failed", "unknown", "lock wait, s per 1,000",
               "pod CPU", "database CPU", "orphans", "ledger", "a commit survives", "rounds"]  # fmt: skip
    return PageTable(caption, columns, rows)


def _accepts(accept: Measure | None) -> list[str]:
    if accept is None or not accept.n:
        return ["0", NONE, NONE, NONE, NONE, NONE]
    shares = [(accept.good or 0) / accept.n, *(accept.outcomes[o] / accept.n for o in ("fail", "unknown"))]
    p50, p99 = accept.response["p50"], accept.response["p99"]
    return [f"{accept.n:,}", value(p50), with_interval(p99), *(f"{share:.1%}" for share in shares)]


def _lock_wait(storage: StorageFindings) -> str:
    seconds = storage.lock_wait_per_1000_s(ACCEPT)
    return "unknown" if seconds is None else f"{digits(seconds) if seconds else '0'} ({storage.waits.known})"


def ledger_verdict(storage: StorageFindings) -> str:
    """The worst verdict in the ledgers of its rounds."""
    found = [str(c.get("verdict")) for run in storage.pooled for c in ledger_checks(run)]
    if "fail" in found:
        return "fail"
    whole = found and all(ledger_checks(run) for run in storage.pooled) and set(found) == {"pass"}
    return "pass" if whole else "unknown"


def service(findings: Findings) -> PageTable:
    rows = [
        [title(name), s.storage, *(value(m.service[p]) for p in SHOWN)]
        for name in dict.fromkeys(name for s in findings.storages for name in s.measures)
        for s, m in findings.of(name)
        if name not in ("event.deliver", FROM_STAMP)
    ]
    return PageTable("Service time: from the actual start of the operation.", ["operation", "storage", *SHOWN], rows, 2)


def errors(findings: Findings) -> PageTable:
    rows = [
        [s.storage, title(m.name), error, f"{count:,}"]
        for s in findings.storages
        for m in s.measures.values()
        if m.name != FROM_STAMP
        for error, count in sorted(m.errors.items(), key=lambda pair: -pair[1])
    ]
    return PageTable("Errors of operations, judged stages.", ["storage", "operation", "error", "n"], rows, 3)


def connection_failures(findings: Findings) -> PageTable:
    """Empty when every connection opened."""
    rows = [
        [s.storage, error or NONE, detail, f"{count:,}"]
        for s in findings.storages
        for (error, detail), count in handshakes(s.pooled).details.items()
    ]
    caption = "Errors of connections that did not open, whole runs: HTTP statuses, and other errors of the server or this host."
    return PageTable(caption, ["storage", "error", "detail", "n"], rows, 3)


def http_statuses(findings: Findings) -> PageTable:
    """Empty when no handshake was refused with a status."""
    rows = [
        [s.storage, f"HTTP {status}", f"{found.judged.get(status, 0):,}", f"{count:,}"]
        for s in findings.storages
        for found in [handshakes(s.pooled)]
        for status, count in found.whole.items()
    ]
    columns = ["storage", "status", "judged stages", "whole runs"]
    return PageTable("HTTP statuses of refused WebSocket handshakes.", columns, rows, 2)


def rounds(findings: Findings) -> PageTable:
    rows = [
        [run, s.storage, *(value(m.rounds[run]["p99"]) if m and run in m.rounds else NONE for m in measures)]
        for s in findings.storages
        for measures in [[s.measures.get(name) for name in _SLO]]
        for run in (r.name for r in s.pooled)
    ]
    caption = (
        "p99 of the response in each round. The spread between rounds of one storage shows better than an interval how "
        "well a figure repeats."
    )
    return PageTable(caption, ["run", "storage", *_SLO], rows, 2)


_SLO = (ACCEPT, "connection.create", "subscription.create", "message.send")


def runs(findings: Findings) -> PageTable:
    pooled = {run.name for s in findings.storages for run in s.pooled}
    rows = [
        [
            run.name,
            run.storage,
            _text(run.manifest.get("round")),
            _text(run.manifest.get("started_at")),
            _engine(run.manifest.get("engine")),
            findings.survives.get(run.storage) or "unknown",
            run.ending,
            "yes" if run.name in pooled else "no",
            _written(run.end),
        ]
        for run in findings.runs
    ]
    columns = [
        "run",
        "storage",
        "round",
        "started",
        "engine",
        "a commit survives",
        "ended",
        "in the figures",
        "rows; lost",
    ]
    return PageTable("Runs in the order they were made.", columns, rows, 9)


def settings(findings: Findings) -> PageTable:
    rows = [
        [s.storage, str(name), str(setting)]
        for s in findings.storages
        for name, setting in ((s.pooled[0].manifest.get("engine") or {}).get("settings") or {}).items()
    ]
    return PageTable("Read back from the engine at the start.", ["storage", "setting", "value"], rows, 3)


def versions(findings: Findings) -> PageTable:
    manifest = next((run.manifest for run in findings.runs if run.manifest), {})
    kept = ("scenario", "seed", "host", "harness", "generator", "packages")
    rows = [[path, str(leaf)] for key in kept for path, leaf in _leaves(key, manifest.get(key))]
    return PageTable("The same for all runs.", ["what", "value"], rows, 2)


def _leaves(path: str, found: Any) -> Iterator[tuple[str, Any]]:
    if not isinstance(found, Mapping):
        yield path, found
        return
    for name, below in found.items():
        yield from _leaves(f"{path}.{name}", below)


def _engine(engine: Any) -> str:
    return f"{engine.get('name', '')} {engine.get('version', '')}".strip() if isinstance(engine, Mapping) else "unknown"


def _written(end: Mapping[str, Any] | None) -> str:
    operations = (end or {}).get("operations") or {}
    if not operations:
        return "unknown"
    lost = operations.get("lost")
    lost_text = f"at most {operations.get('lost_at_most')}" if lost is None else str(lost)
    return f"{operations.get('written', 0):,}; {lost_text}"


def _text(found: Any) -> str:
    return "unknown" if found is None else str(found)
