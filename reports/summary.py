"""All figures as JSON, each with how it is known; and the headline as Markdown for a comment."""

from collections.abc import Mapping
from typing import Any

from loadtests.records.vocabulary import PUSHES
from reports.findings import Findings, Measure, StorageFindings, ledger_checks
from reports.gather import FROM_STAMP
from reports.headline import ACCEPT, Headline
from reports.statistics import CONFIDENCE, Estimate
from reports.wording import NONE, digits, value, with_interval

FORMAT = 1


def summary(findings: Findings, head: Headline) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "study": findings.study,
        "headline": {"answered": head.answered, "answer": head.answer, "reason": head.reason},
        "durability": {"differs": bool(head.durability), "commit_survives": dict(findings.survives)},
        "caveats": list(head.caveats),
        "confidence": CONFIDENCE,
        "runs": [_run(findings, run) for run in findings.runs],
        "storages": {s.storage: _storage(s) for s in findings.storages},
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
    }


def _storage(storage: StorageFindings) -> dict[str, Any]:
    waits = storage.waits
    return {
        "judged_s": storage.judged_s,
        "operations": {name: _measure(storage, measure) for name, measure in storage.measures.items()},
        "lock_waits": {
            "known": waits.known or "unknown",
            "sampling_period_s": waits.period_s if waits.known == "sampled" else None,
            "seconds": [
                {"waited": waiter, "behind": holder, "seconds": round(seconds, 6)}
                for (waiter, holder), seconds in sorted(waits.seconds.items(), key=lambda pair: -pair[1])
            ],
        },
        "cpu_ms_per_operation": {role: cpu_ms(storage, role) for role in ("pod", "database")},
        "orphans": {"count": storage.orphans, "known": "ledger" if storage.orphans is not None else "unknown"},
    }


def cpu_ms(storage: StorageFindings, role: str) -> float | None:
    """Processor milliseconds of a role for each request answered in the judged stages; None when nobody looked."""
    spent = storage.usage.judged_cpu_s.get(role)
    return None if spent is None or not storage.requests_done else spent * 1000 / storage.requests_done


def _measure(storage: StorageFindings, measure: Measure) -> dict[str, Any]:
    return {
        "n": measure.n,
        "rate_per_s": measure.rate_per_s,
        "outcomes": dict(measure.outcomes),
        "errors": dict(measure.errors),
        "since": "stamp" if measure.name == FROM_STAMP else "cause" if measure.name == "event.deliver" else "planned",
        "response_ms": {name: _estimate(e) for name, e in measure.response.items()},
        "service_ms": None if measure.name in (*PUSHES, FROM_STAMP) else _plain(measure.service),
        "p99_ms_by_run": _plain(measure.rounds),
        "lock_wait_s_per_1000": _lock_wait(storage, measure.name),
    }


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


def markdown(findings: Findings, head: Headline) -> str:
    """Headline, caveats, and Accept chat by storage. Names are code, so that nothing in them is markup."""
    lines = [f"**{escaped(head.answer)}** {escaped(head.reason)}".strip()]
    lines += [f"\n**{escaped(head.durability)}**"] if head.durability else []
    lines += ["", f"| {' | '.join(_COLUMNS)} |", f"|---|{'---:|' * (len(_COLUMNS) - 1)}"]
    lines += ["| " + " | ".join(_markdown_row(s)) + " |" for s in findings.storages]
    lines += ["", *(f"- {escaped(caveat)}" for caveat in head.caveats)] if head.caveats else []
    return "\n".join(lines) + "\n"


_COLUMNS = (
    *("storage", "Accept chat n", "p50", "p99", "failed", "unknown", "lock wait, s per 1,000"),
    *("pod CPU, ms/op", "database CPU, ms/op", "orphans"),
)


def _markdown_row(storage: StorageFindings) -> list[str]:
    accept = storage.measures.get(ACCEPT)
    waited = storage.lock_wait_per_1000_s(ACCEPT)
    cpu = [_or_none(cpu_ms(storage, role)) for role in ("pod", "database")]
    orphans = "unknown" if storage.orphans is None else f"{storage.orphans:,}"
    if accept is None:
        return [escaped(storage.storage), "0", NONE, NONE, NONE, NONE, NONE, *cpu, orphans]
    figures = [value(accept.response["p50"]), with_interval(accept.response["p99"])]
    counts = [f"{accept.outcomes[name]:,}" for name in ("fail", "unknown")]
    waiting = "unknown" if waited is None else f"{digits(waited)} ({storage.waits.known})"
    return [escaped(storage.storage), f"{accept.n:,}", *figures, *counts, waiting, *cpu, orphans]


def _or_none(figure: float | None) -> str:
    return NONE if figure is None else digits(figure)


def escaped(text: str) -> str:
    """Text that Markdown shows as it is."""
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace("\n", " ")
    return "".join(f"\\{c}" if c in "\\`*_[]|#!" else c for c in text)
