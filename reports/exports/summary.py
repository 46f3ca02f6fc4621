"""All figures as JSON, each with how it is known; and the headline as Markdown for a comment."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pandas as pd

from reports.data.contract import ledger_checks
from reports.exports.figures import LOCK_WAIT, WHOLE, shown, waits_known
from reports.findings.estimates import CONFIDENCE
from reports.findings.study import Findings, StorageFindings
from reports.text.contract import Story, doubts_counted
from reports.text.phrases import behind
from reports.text.plain_names import ACCEPT, operation_words, waiter_words
from reports.text.sentence import sentence
from reports.text.wording import NONE, duration, one_line

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


def markdown(findings: Findings, story: Story, frame: pd.DataFrame) -> str:
    """Headline, bullets, doubts, and Accept chat by system. Names are code, so that nothing in them is markup."""
    lines = [f"**{escaped(story.headline)}**", ""]
    lines += [f"- **{escaped(bullet.label)}**: {escaped(bullet.text)}" for bullet in story.bullets]
    lines += [f"\n**{escaped(story.durability)}**"] if story.durability else []
    lines += ["", *(f"- {escaped(text)}" for text in _where(findings))]
    lines += ["", f"| {' | '.join(_COLUMNS)} |", f"|---|{'---:|' * (len(_COLUMNS) - 1)}"]
    lines += ["| " + " | ".join(row) + " |" for row in _markdown_rows(findings, frame)]
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
