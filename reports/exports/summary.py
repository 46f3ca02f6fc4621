"""All figures as JSON, each with how it is known; and the headline as Markdown for a comment."""

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from loadtests.records.vocabulary import PUSHES
from reports.data.contract import ledger_checks
from reports.data.handshakes import handshakes
from reports.exports.counted_summary import counted_summary
from reports.exports.figures import LOCK_WAIT, WHOLE, recorded_outcomes, shown, waits_known
from reports.exports.lock_summary import lock_summary
from reports.findings.operations import CONFIDENCE, FROM_STAMP, Estimate, Measure, StageMeasures
from reports.findings.phases import StudyPhase, phases
from reports.findings.slis import BREACH_RULE, SLIS, Blast, PodBlast, Span
from reports.findings.study import Findings, StorageFindings
from reports.text.blast_radius import words
from reports.text.headline import ACCEPT, Headline
from reports.text.phrases import behind, clock_fault
from reports.text.sentence import sentence
from reports.text.wording import NONE, duration, one_line

FORMAT = 1


def summary(findings: Findings, head: Headline) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "study": findings.study,
        "headline": {"answered": head.answered, "answer": head.answer, "reason": head.reason, "radius": head.radius},
        "durability": {"differs": bool(head.durability), "commit_survives": dict(findings.survives)},
        "caveats": list(head.caveats),
        "confidence": CONFIDENCE,
        "runs": [_run(findings, run) for run in findings.runs],
        "storages": {s.storage: _storage(findings, s) for s in findings.storages},
    }


def _run(findings: Findings, run: Any) -> dict[str, Any]:
    counted = any(run in storage.pooled for storage in findings.storages)
    keys = ("round", "started_at", "seed", "engine", "harness")
    return {
        "run": run.name,
        "storage": run.storage,
        "ending": run.ending,
        "pooled": counted,
        **{key: run.manifest.get(key) for key in keys},
        "ledger": [dict(check) for check in ledger_checks(run)],
        "events": [{**vars(event), "found": dict(event.found)} for event in run.events],
    }


def _storage(findings: Findings, storage: StorageFindings) -> dict[str, Any]:
    waits = storage.waits
    return {
        "judged_s": storage.judged_s,
        "operations": {name: _measure(storage, measure) for name, measure in storage.measures.items()},
        "lock_waits": {
            "known": waits.known or "unknown",
            "sampling_period_s": waits.period_s if waits.by_sampling else None,
            "seconds": [
                {"waited": waiter, "behind": holder, "seconds": round(seconds, 6)}
                for (waiter, holder), seconds in sorted(waits.seconds.items(), key=lambda pair: -pair[1])
            ],
        },
        "handshakes": _handshakes(storage),
        **lock_summary(storage),
        **counted_summary(storage.counted, storage.sampled, storage.endings),
        "cpu_ms_per_operation": {role: storage.cpu_ms(role) for role in ("pod", "database")},
        "orphans": {"count": storage.orphans, "known": "ledger" if storage.orphans is not None else "unknown"},
        "pods": {pod: {n: _by_pod(m) for n, m in by.items()} for pod, by in storage.pods.items()},
        "phases": [_phase(phase) for phase in phases(storage)],
        "blast_radius": {
            "limits_s": {name: findings.limits_s[name] for name in SLIS},
            "limits_from": findings.limits_from or "defaults",
            "rule": str(BREACH_RULE),
            "runs": [_blast(found) for found in storage.blasts],
        },
    }


def _handshakes(storage: StorageFindings) -> dict[str, Any]:
    found = handshakes(storage.pooled)
    return {
        "http_statuses": dict(found.judged),
        "http_statuses_whole_run": dict(found.whole),
        "details": [{"error": e, "detail": d, "count": n} for (e, d), n in found.details.items()],
        "known": "workers" if found.exact else "unknown",
    }


def _by_pod(measure: Measure) -> dict[str, Any]:
    """Without lock waits, which are known only for the storage as a whole."""
    return {
        "n": measure.n,
        "outcomes": recorded_outcomes(measure),
        "errors": dict(measure.errors),
        "good": measure.good,
        "response_ms": _plain(measure.response),
    }


def _phase(phase: StudyPhase) -> dict[str, Any]:
    return {
        **{"phase": phase.name, "judge": phase.judge, "starts_s": phase.starts_s, "lasted_s": phase.lasted_s},
        "events": [event.number for event in phase.events],
        "accept": _stage(phase.accept),
        "connect": _stage(phase.connect),
        "lock_wait_s_per_s": dict(phase.waiting),
        "cores": {"pods": phase.pod_cores, "databases": dict(phase.cores)},
        "orphans_swept": phase.swept,
    }


def _stage(figures: StageMeasures) -> dict[str, Any]:
    return {"outcomes": dict(figures.outcomes), "response_ms": _plain({"p50": figures.p50, "p99": figures.p99})}


def _blast(found: Blast) -> dict[str, Any]:
    return {"run": found.run.name, "words": words(found), "since_s": found.since_s,
            "pods": {pod.pod: _breaches(pod) for pod in found.pods}}  # fmt: skip


def _breaches(pod: PodBlast) -> dict[str, Any]:
    return {
        "burnt": None if pod.unknown else bool(pod.spans),
        "first_s": pod.first_s,
        "burnt_s": pod.breached_s,
        "seen": pod.seen,
        "done_to_it": [event.number for event in pod.done_to_it],
        "burns": [_breach(span) for span in pod.spans],
    }


def _breach(span: Span) -> dict[str, Any]:
    return {"signal": span.sli, **{name: value for name, value in vars(span).items() if name != "sli"}}


def _measure(storage: StorageFindings, measure: Measure) -> dict[str, Any]:
    return {
        "n": measure.n,
        "rate_per_s": measure.rate_per_s,
        "outcomes": recorded_outcomes(measure),
        "errors": dict(measure.errors),
        "since": "stamp" if measure.name == FROM_STAMP else "cause" if measure.name == "event.deliver" else "planned",
        "response_ms": {name: _estimate(e) for name, e in measure.response.items()},
        "service_ms": None if measure.name in (*PUSHES, FROM_STAMP) else _plain(measure.service),
        "p99_ms_by_run": _plain({run: figures["p99"] for run, figures in measure.rounds.items()}),
        "lock_wait_s_per_1000": _lock_wait(storage, measure.name),
        "good": measure.good,
        **_unknown(measure),
    }


def _unknown(measure: Measure) -> dict[str, str]:
    clock = measure.unreliable_clock
    return {} if clock is None else {"unknown": f"the clock of the stamps {clock_fault(clock)}"}


def _plain(estimates: Mapping[str, Estimate | None]) -> dict[str, Any]:
    return {name: _estimate(e) for name, e in estimates.items()}


def _estimate(estimate: Estimate | None) -> dict[str, Any] | None:
    if estimate is None:
        return None
    low, high = (None if bound is None else bound / 1e6 for bound in (estimate.low, estimate.high))
    return {"value": estimate.value / 1e6, "low": low, "high": high, "at_least": estimate.at_least}


def _lock_wait(storage: StorageFindings, operation: str) -> dict[str, Any] | None:
    seconds = storage.lock_wait_per_1000_s(operation)
    if seconds is None:
        return None
    bounds = storage.lock_wait_interval_s(operation)
    return {"value": seconds, "low": bounds and bounds[0], "high": bounds and bounds[1], "known": storage.waits.known}


def markdown(findings: Findings, head: Headline, frame: pd.DataFrame) -> str:
    """Headline, caveats, and Accept chat by storage. Names are code, so that nothing in them is markup."""
    lines = [f"**{escaped(head.answer)}** {escaped(head.reason)}".strip()]
    lines += [f"\n**Blast radius:** {escaped(head.radius)}"] if head.radius else []
    lines += [f"\n**{escaped(head.durability)}**"] if head.durability else []
    lines += ["", *(f"- {escaped(text)}" for text in _where(findings))]
    lines += ["", f"| {' | '.join(_COLUMNS)} |", f"|---|{'---:|' * (len(_COLUMNS) - 1)}"]
    lines += ["| " + " | ".join(row) + " |" for row in _markdown_rows(findings, frame)]
    lines += ["", *(f"- {escaped(caveat)}" for caveat in head.caveats)] if head.caveats else []
    return "\n".join(lines) + "\n"


def _where(findings: Findings) -> Iterator[str]:
    """The attribution of each storage, and the pair with the most lock time."""
    for storage in findings.storages:
        blamed = max(storage.blame.root.items(), key=lambda pair: pair[1], default=None)
        yield f"{sentence(storage)}{_blamed(*blamed) if blamed else ''}"


def _blamed(pair: tuple[str, str], seconds: float) -> str:
    return f" Most lock time: {pair[0]}, {duration(seconds)} {behind(pair[1])}."


_COLUMNS = (
    *("storage", "Accept chat n", "p50", "p99", "failed", "unknown", "lock wait, s per 1,000"),
    *("pod CPU, ms/op", "database CPU, ms/op", "orphans"),
)

_ACCEPTS = ("n", "p50", "p99", "fail", "unknown", LOCK_WAIT)
_STORAGES = ("pod CPU", "database CPU", "orphans")


def _markdown_rows(findings: Findings, frame: pd.DataFrame) -> Iterator[list[str]]:
    text, bounds = (shown(frame, column) for column in ("text", "bounds"))
    for storage in (s.storage for s in findings.storages):
        accept, whole = (ACCEPT, storage), (WHOLE, storage)
        cells = [text[accept][f] if accept in text else NONE for f in _ACCEPTS]
        if accept in text:
            cells[2] += f" ({bounds[accept]['p99']})" if bounds[accept]["p99"] else ""
            cells[-1] += f" ({waits_known(frame)[accept]})" if cells[-1] != "unknown" else ""
        yield [escaped(storage), *cells, *(text[whole][f] for f in _STORAGES)]


def escaped(text: str) -> str:
    """Text that Markdown shows as it is."""
    text = one_line(text).replace("&", "&amp;").replace("<", "&lt;")
    return "".join(f"\\{c}" if c in "\\`*_[]|#!" else c for c in text)
