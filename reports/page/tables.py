"""The plain tables of the page: what is behind each plot, and what was run."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isnan
from typing import Any

from reports.findings import Findings, ledger_checks
from reports.gather import FROM_STAMP, MEASURES
from reports.headline import ACCEPT
from reports.page.figures import SHOWN, title
from reports.sessions import CLASSES
from reports.wording import NONE, digits, duration, value, with_interval


@dataclass(frozen=True)
class Table:
    """The first `texts` columns are words, aligned left; the first of a row is its header."""

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    texts: int = 1


def costs(findings: Findings) -> Table:
    rows = [
        [
            s.storage,
            *(_number(s.cpu_ms(role)) for role in ("pod", "database")),
            "unknown" if s.orphans is None else f"{s.orphans:,}",
            f"{s.requests_done:,}",
            f"{len(s.pooled)}",
        ]
        for s in findings.storages
    ]
    caption = (
        "By storage, judged stages: processor time for each request answered (a dash where there is no process of its "
        "own, or nobody looked) and orphans that the ledger found in the storage at the end."
    )
    return Table(
        caption,
        ["storage", "pod CPU, ms/op", "database CPU, ms/op", "orphans", "requests answered", "rounds pooled"],
        rows,
    )


def service(findings: Findings) -> Table:
    rows = [
        [title(name), s.storage, *(value(m.service[p]) for p in SHOWN)]
        for name in dict.fromkeys(name for s in findings.storages for name in s.measures)
        for s, m in findings.of(name)
        if name not in ("event.deliver", FROM_STAMP)
    ]
    return Table("Service time: from the moment the operation really began.", ["operation", "storage", *SHOWN], rows, 2)


def errors(findings: Findings) -> Table:
    rows = [
        [s.storage, title(m.name), error, f"{count:,}"]
        for s in findings.storages
        for m in s.measures.values()
        if m.name != FROM_STAMP
        for error, count in sorted(m.errors.items(), key=lambda pair: -pair[1])
    ]
    return Table("Why operations were not ok, judged stages.", ["storage", "operation", "error", "n"], rows, 3)


def rounds(findings: Findings) -> Table:
    rows = [
        [run, s.storage, *(value(m.rounds[run]["p99"]) if m and run in m.rounds else NONE for m in measures)]
        for s in findings.storages
        for measures in [[s.measures.get(name) for name in _SLO]]
        for run in (r.name for r in s.pooled)
    ]
    caption = (
        "p99 of the response in each round. How far rounds of one storage are apart tells better than an interval how "
        "well a figure repeats."
    )
    return Table(caption, ["run", "storage", *_SLO], rows, 2)


_SLO = (ACCEPT, "connection.create", "subscription.create", "message.send")


def over_time(findings: Findings) -> Table:
    """Latency of accepts and sessions waiting, a row for each bin."""
    names = [s.storage for s in findings.storages]
    columns = ["from, s", *(f"{name} {what}" for name in names for what in _BIN)]
    return Table(
        f"Accept chat in bins of {duration(findings.axis.width_s)}, by planned start; waiting: mean number of sessions "
        f"waiting for a lock; then the mean number of active sessions: {', '.join(CLASSES)}.",
        columns,
        [_bin_row(findings, i) for i in range(findings.axis.count)],
    )


_BIN = ("n", "p50", "p95", "p99", "waiting", *CLASSES)


def operations_over_time(findings: Findings) -> Table:
    """Latency of every operation, a row for each operation, storage and bin that has any."""
    rows = [
        [title(m.name), s.storage, digits(place * findings.axis.width_s), f"{found[0]:,}"]
        + [duration(ns / 1e9) for ns in found[1:]]
        for name in MEASURES
        for s, m in findings.of(name)
        if name != FROM_STAMP
        for place, found in enumerate(m.over_time)
        if found
    ]
    caption = f"Response in bins of {duration(findings.axis.width_s)}, by planned start."
    return Table(caption, ["operation", "storage", "from, s", "n", "p50", "p95", "p99"], rows, 2)


def _bin_row(findings: Findings, place: int) -> list[str]:
    cells = [digits(place * findings.axis.width_s)]
    for storage in findings.storages:
        accept = storage.measures.get(ACCEPT)
        found = accept.over_time[place] if accept else None
        cells += [f"{found[0]:,}", *(duration(ns / 1e9) for ns in found[1:])] if found else ["0", NONE, NONE, NONE]
        waiting = sum(float(density[place]) for density in storage.waits.sessions.values())
        cells.append("unknown" if storage.waits.known is None else digits(waiting))
        classes = storage.sessions.by_class
        cells += [_number(float(classes[name][place]) if name in classes else None) for name in CLASSES]
    return cells


def curves(findings: Findings) -> Table:
    """The distribution at round percentiles."""
    rows = [
        [title(m.name), s.storage, *(with_interval(m.response[p]) for p in SHOWN)]
        for name in dict.fromkeys(name for s in findings.storages for name in s.measures)
        for s, m in findings.of(name)
    ]
    return Table(
        "Response with 95 % intervals, judged stages, rounds pooled.", ["operation", "storage", *SHOWN], rows, 2
    )


def blockers(findings: Findings) -> Table:
    rows = [
        [s.storage, waiter, holder, f"{seconds:,.3f}", str(s.waits.known)]
        for s in findings.storages
        for (waiter, holder), seconds in sorted(s.waits.seconds.items(), key=lambda pair: -pair[1])
    ]
    caption = "Seconds that sessions waited for a lock, judged stages, all rounds of a storage together."
    return Table(caption, ["storage", "waited", "behind", "seconds", "known"], rows, 3)


def throughput(findings: Findings) -> Table:
    whats = ("planned", "ok", "refused", "fail", "unknown")
    columns = ["from, s", *(f"{s.storage} {what}" for s in findings.storages for what in whats)]
    rows = [
        [digits(i * findings.axis.width_s)]
        + [
            digits(float(v[i]))
            for s in findings.storages
            for v in (s.planned_per_s, *(s.ended_per_s[w] for w in whats[1:]))
        ]
        for i in range(findings.axis.count)
    ]
    return Table(
        "Requests a second: planned in the bin, and ended in it by outcome; mean of the rounds.", columns, rows
    )


def resources(findings: Findings) -> Table:
    columns = [
        "from, s",
        *(f"{s.storage} {role} {u}" for s in findings.storages for role in s.usage.cores for u in ("cores", "MiB")),
    ]
    rows = [
        [digits(i * findings.axis.width_s)]
        + [
            _number(float(series[role][i]) / scale)
            for s in findings.storages
            for role in s.usage.cores
            for series, scale in ((s.usage.cores, 1), (s.usage.rss, 2**20))
        ]
        for i in range(findings.axis.count)
    ]
    return Table("Cores used and memory resident by role, mean of the rounds.", columns, rows)


def runs(findings: Findings) -> Table:
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
    return Table("Runs in the order they were made.", columns, rows, 9)


def ledger(findings: Findings) -> Table:
    rows = [
        [run.name, *_words(c, "check", "verdict"), _text(c.get("count")), *_words(c, "known", "reason")]
        for run in findings.runs
        for c in ledger_checks(run)
    ]
    return Table(
        "The ledger: what the load made against what the storage holds.",
        ["run", "check", "verdict", "count", "known from", "why"],
        rows,
        6,
    )


def _words(check: Mapping[str, object], *keys: str) -> list[str]:
    return [str(check.get(key) or NONE) for key in keys]


def settings(findings: Findings) -> Table:
    rows = [
        [s.storage, str(name), str(setting)]
        for s in findings.storages
        for name, setting in ((s.pooled[0].manifest.get("engine") or {}).get("settings") or {}).items()
    ]
    return Table("Read back from the engine at the start.", ["storage", "setting", "value"], rows, 3)


def versions(findings: Findings) -> Table:
    manifest = next((run.manifest for run in findings.runs if run.manifest), {})
    kept = ("scenario", "seed", "host", "harness", "generator", "packages")
    rows = [[path, str(leaf)] for key in kept for path, leaf in _leaves(key, manifest.get(key))]
    return Table("The same for all runs.", ["what", "value"], rows, 2)


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
    told = f"at most {operations.get('lost_at_most')}" if lost is None else str(lost)
    return f"{operations.get('written', 0):,}; {told}"


def _number(figure: float | None) -> str:
    return NONE if figure is None or isnan(figure) else digits(figure)


def _text(found: Any) -> str:
    return "unknown" if found is None else str(found)
