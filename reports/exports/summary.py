"""All figures as JSON, each with how it is known; and the headline as Markdown for a comment."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from reports.data.contract import ledger_checks
from reports.exports.figures import lock_wait_words
from reports.findings.estimates import CONFIDENCE
from reports.findings.operations import Measure
from reports.findings.study import Findings, StorageFindings
from reports.text.contract import Story, doubts_counted
from reports.text.phrases import behind
from reports.text.plain_names import ACCEPT, operation_words, waiter_words
from reports.text.sentence import sentence
from reports.text.wording import NONE, digits, duration, one_line, value, with_interval

FORMAT = 1


Parts = Callable[[Findings, StorageFindings], Mapping[str, Any]]


def summary(findings: Findings, story: Story, parts: Parts) -> dict[str, Any]:
    """The whole document; `parts` are those that the sections have of a system."""
    return {
        "format": FORMAT,
        "study": findings.study,
        "headline": _headline(story),
        "bullets": [vars(bullet) for bullet in story.bullets],
        "durability": {"differs": bool(story.durability), "commit_survives": dict(findings.survives)},
        "doubts": [{**vars(doubt), "runs": list(doubt.runs)} for doubt in story.doubts],
        "caveats": [doubt.line for doubt in story.doubts],
        "confidence": CONFIDENCE,
        "runs": [_run(findings, run) for run in findings.runs],
        "storages": {s.storage: {"judged_s": s.judged_s, **parts(findings, s)} for s in findings.storages},
    }


def _headline(story: Story) -> dict[str, Any]:
    return {
        "answered": story.answered,
        "answer": story.headline,
        "reason": story.reason,
        "radius": story.radius,
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


def markdown(findings: Findings, story: Story) -> str:
    """Headline, bullets, doubts, and Accept chat by system. Names are code, so that nothing in them is markup."""
    lines = [f"**{escaped(story.headline)}**", ""]
    lines += [f"- **{escaped(bullet.label)}**: {escaped(bullet.text)}" for bullet in story.bullets]
    lines += [f"\n**{escaped(story.durability)}**"] if story.durability else []
    lines += ["", *(f"- {escaped(text)}" for text in _where(findings))]
    lines += ["", f"| {' | '.join(_COLUMNS)} |", f"|---|{'---:|' * (len(_COLUMNS) - 1)}"]
    lines += ["| " + " | ".join(row) + " |" for row in _markdown_rows(findings)]
    lines += ["", f"**{doubts_counted(story.doubts)}**", ""] if story.doubts else []
    lines += [f"- {escaped(doubt.severity)}: {escaped(doubt.line)}" for doubt in story.doubts]
    return "\n".join(lines) + "\n"


def _where(findings: Findings) -> Iterator[str]:
    """The attribution of each storage, and the pair with the most lock time."""
    for storage in findings.storages:
        blamed = max(storage.blame.root.items(), key=lambda pair: pair[1], default=None)
        yield f"{sentence(storage)}{_blamed(*blamed) if blamed else ''}"


def _blamed(pair: tuple[str, str], seconds: float) -> str:
    waiter, holder = waiter_words(pair[0]), operation_words(pair[1])
    return f" Of all operations, {waiter} waited longest for locks: {duration(seconds)} {behind(holder)}."


_COLUMNS = (
    *("storage", "Accept chat n", "p50", "p99", "failed", "unknown", "lock wait, s per 1,000"),
    *("pod CPU, ms/op", "database CPU, ms/op", "orphans"),
)


def _markdown_rows(findings: Findings) -> Iterator[list[str]]:
    for storage in findings.storages:
        accept, cpu = storage.measures.get(ACCEPT), (storage.cpu_ms(role) for role in ("pod", "database"))
        orphans = "unknown" if storage.orphans is None else f"{storage.orphans:,}"
        accepts = [NONE] * 6 if accept is None else _accepts(storage, accept)
        yield [escaped(storage.storage), *accepts, *(NONE if ms is None else digits(ms) for ms in cpu), orphans]


def _accepts(storage: StorageFindings, accept: Measure) -> list[str]:
    waited, known = lock_wait_words(storage, ACCEPT), storage.waits.known
    percentiles = value(accept.response["p50"]), with_interval(accept.response["p99"])
    failed = (f"{accept.outcomes[name]:,}" for name in ("fail", "unknown"))
    return [f"{accept.n:,}", *percentiles, *failed, waited if known is None else f"{waited} ({known})"]


def escaped(text: str) -> str:
    """Text that Markdown shows as it is."""
    text = one_line(text).replace("&", "&amp;").replace("<", "&lt;")
    return "".join(f"\\{c}" if c in "\\`*_[]|#!" else c for c in text)
