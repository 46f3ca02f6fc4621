"""The actions and faults of a run as a table."""

from collections.abc import Mapping
from typing import Any

from reports.data.contract import TimelineEvent
from reports.findings.study import Findings
from reports.page.table import PageTable
from reports.text.wording import FAILED, digits, duration, listed


def events_table(findings: Findings) -> PageTable:
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
