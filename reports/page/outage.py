# ruff: noqa: E501, RUF001  sentences of the page are kept whole, and a ratio is written as people write it
"""Tables of actions and their effects: events, pods, blast radius, phases, the cost of locks."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from reports.analysis.blast import Blast, PodBlast, after_another
from reports.analysis.findings import Findings, Measure, StorageFindings
from reports.analysis.locks.costs import lock_costs
from reports.analysis.phases import StudyPhase, phases
from reports.data.timeline import TimelineEvent
from reports.page.table import PageTable, number
from reports.text.wording import FAILED, NONE, digits, duration, listed, value, with_interval


def events(findings: Findings) -> PageTable:
    rows = [
        [
            f"{event.number}" if event.ok else f"{event.number} {FAILED}",
            run.name,
            f"{digits((event.started_ns - run.started_ns) / 1e9)} s",
            event.words,
            ", ".join((*event.pods, *event.databases)) or event.subject,
            f"{event.result}: {event.error}" if event.error else event.result,
            _took(event),
            _found(event.found),
        ]
        for storage in findings.storages
        for run in storage.pooled
        for event in run.events
    ]
    columns = ["number", "run", "at", "what", "on", "result", "took", "found"]
    caption = f"Actions and faults by their number; {FAILED} marks those that failed."
    return PageTable(caption, columns, rows, 8, packed=True)


def _found(found: Any) -> str:
    """The result of an action as text: `moved 4, diverged: topics 41, chats 33`."""
    if isinstance(found, Mapping):
        texts = {name: _found(value) for name, value in found.items() if value not in ({}, [], None)}
        return ", ".join(
            f"{name}: {value}" if isinstance(found[name], Mapping) else f"{name} {value}"
            for name, value in texts.items()
        )
    if isinstance(found, int) and not isinstance(found, bool):
        return f"{found:,}"
    return listed([str(one) for one in found]) if isinstance(found, list) else str(found)


def _took(event: TimelineEvent) -> str:
    return "still active at the end" if event.ended_ns is None else duration((event.ended_ns - event.started_ns) / 1e9)


def by_pod(findings: Findings) -> PageTable:
    rows = [
        [s.storage, pod, *_accepts(by.get("chat.accept")), *_connections(by.get("connection.create"))]
        for s in findings.storages
        for pod, by in s.pods.items()
    ]
    columns = ["storage", "pod", "accepts", "p50", "p99", "good", "failed", "connections", "of them failed"]
    limit = duration(findings.limits_s["chat.accept"])
    caption = f"By pod, judged stages, rounds pooled, with 95 % intervals. Good: accepted within {limit}. Failed includes unknown."
    return PageTable(caption, columns, rows, 2, packed=True)


def _accepts(accept: Measure | None) -> list[str]:
    if accept is None:
        return ["0", NONE, NONE, NONE, NONE]
    good = f"{accept.good / accept.n:.1%}" if accept.good is not None and accept.n else NONE
    percentiles = [with_interval(accept.response[p]) for p in ("p50", "p99")]
    return [f"{accept.n:,}", *percentiles, good, f"{_bad(accept):,}"]


def _connections(connect: Measure | None) -> list[str]:
    return ["0", NONE] if connect is None else [f"{connect.n:,}", f"{_bad(connect):,}"]


def _bad(measure: Measure) -> int:
    return measure.outcomes["fail"] + measure.outcomes["unknown"]


def pod_operations(findings: Findings) -> PageTable:
    rows = [
        [
            s.storage,
            name,
            pod,
            f"{m.n:,}",
            *(value(m.response[p]) for p in ("p50", "p95", "p99", "max")),
            f"{_bad(m):,}",
        ]
        for s in findings.storages
        for name in s.measures
        for pod, by in s.pods.items()
        if (m := by.get(name)) is not None
    ]
    columns = ["storage", "operation", "pod", "n", "p50", "p95", "p99", "max", "failed or unknown"]
    return PageTable("Every operation by pod, judged stages, rounds pooled.", columns, rows, 3, packed=True)


def blast(findings: Findings) -> PageTable:
    rows = [
        [b.run.name, pod.pod, _done(pod), *_breach_cells(b, pod)]
        for s in findings.storages
        for b in s.blasts
        for pod in b.pods
    ]
    columns = ["run", "pod", "actions on it", "first breach at", "after the first action elsewhere", "in breach for",
               "worst share", "by", "seen"]  # fmt: skip
    caption = (
        "SLO breaches that lasted into the time from the first action on (without one: the first judged stage). In breach for: "
        "all SLIs together. Seen: the share of that time for which the best known SLI is known."
    )
    return PageTable(caption, columns, rows, 3, packed=True)


def _done(pod: PodBlast) -> str:
    return "; ".join(f"{e.number}: {e.words}" for e in pod.done_to_it) or "none"


def _breach_cells(found: Blast, pod: PodBlast) -> list[str]:
    seen = f"{pod.seen:.0%}"
    if not pod.spans:
        return ["unknown" if pod.unknown else "no breach", NONE, NONE, NONE, NONE, seen]
    worst = max(pod.spans, key=lambda span: span.worst)
    lasted = f"{digits(pod.breached_s)} s" if all(span.ended for span in pod.spans) else f"≥ {digits(pod.breached_s)} s"
    first = pod.spans[0]
    at = f"{digits(first.begin_s)} s ({first.sli})"
    return [at, after_another(found, pod), lasted, f"{worst.worst:.0%}", worst.sli, seen]


def story(findings: Findings) -> PageTable:
    acted = [s for s in findings.storages if s.acted]
    databases = list(dict.fromkeys(name for s in acted for name in s.databases))
    columns = ["storage", "phase", "actions", "accepts a second", "p50", "p99", "accepts failed a second",
               "connections failed a second", *(f"waiting for locks in {name}, s per s" for name in databases),
               "pod cores", *(f"{name} cores" for name in databases), "orphans swept"]  # fmt: skip
    rows = [row for storage in acted for row in _story(storage, databases)]
    several = len(acted) > 1  # the page names a single storage elsewhere
    left = [f"{s.storage}: {'unknown' if s.orphans is None else f'{s.orphans:,}'}" for s in acted]
    caption = (
        "Phase by phase, rounds pooled; × is the ratio to the first judged phase. Failed includes unknown. Orphans at the "
        f"end, by the ledger: {listed(left)}."
    )
    return PageTable(caption, columns[not several :], [row[not several :] for row in rows], 2 + several)


def _story(storage: StorageFindings, databases: Sequence[str]) -> Iterator[list[str]]:
    found = phases(storage)
    first = next((phase for phase in found if phase.judge), None)
    for phase in found:
        done = "; ".join(f"{e.number}{'' if e.ok else f' {FAILED}'}: {e.words}" for e in phase.events)
        figures = [*_FIGURES, *_by_database(databases)]
        cells = [_cell(figure, phase, first) for figure in figures]
        yield [storage.storage, phase.name, done or NONE, *cells, f"{phase.swept:,}" if phase.swept else NONE]


Figure = tuple[Callable[[StudyPhase], float | None], Callable[[StudyPhase], str]]


def _plain(figure: Callable[[StudyPhase], float | None]) -> Figure:
    return figure, lambda phase: number(figure(phase))


_FIGURES: tuple[Figure, ...] = (
    _plain(lambda p: p.accepts_per_s),
    (lambda p: p.accept.p50.value if p.accept.p50 else None, lambda p: value(p.accept.p50)),
    (lambda p: p.accept.p99.value if p.accept.p99 else None, lambda p: value(p.accept.p99)),
    _plain(lambda p: p.accept_failures_per_s),
    _plain(lambda p: p.connections_failed_per_s),
)


def _by_database(databases: Sequence[str]) -> list[Figure]:
    waits = [_plain(lambda p, name=name: p.waiting.get(name)) for name in databases]  # type: ignore[misc]
    cores = [_plain(lambda p, name=name: p.cores.get(name)) for name in databases]  # type: ignore[misc]
    return [*waits, _plain(lambda p: p.pod_cores), *cores]


def _cell(figure: Figure, phase: StudyPhase, first: StudyPhase | None) -> str:
    measured, formatted = figure
    now, then = measured(phase), measured(first) if first is not None else None
    if phase is first or now is None or not then:
        return formatted(phase)
    return f"{formatted(phase)} ×{digits(now / then)}"


def locks(findings: Findings) -> PageTable:
    rows = [
        [cost.storage, f"{cost.accepted:,}", *(_or_unknown(c) for c in (cost.waited_s, cost.cpu_s, cost.orphans))]
        for cost in lock_costs(findings)
    ]
    columns = ["storage", "accepted chats", "lock-wait seconds", "CPU-seconds, pod and database", "orphans"]
    caption = (
        "For each 1,000 accepted chats. Waiting and processor time: judged stages; orphans: those found by the ledger at the "
        "end and those swept before, over the whole run."
    )
    return PageTable(caption, columns, rows)


def _or_unknown(cost: float | None) -> str:
    return "unknown" if cost is None else digits(cost) if cost else "0"
