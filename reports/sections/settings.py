"""Section: runs, settings of the engines, versions."""

from collections.abc import Iterator, Mapping
from typing import Any

from reports.findings.study import Findings
from reports.page.table import PageTable
from reports.sections.contract import Section


def _runs(findings: Findings) -> PageTable:
    labels = {s.storage: s.label for s in findings.storages}
    pooled = {run.name for s in findings.storages for run in s.pooled}
    rows = [
        [
            run.name,
            labels.get(run.storage, run.storage),
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
        "label",
        "system",
        "round",
        "started",
        "engine",
        "a commit survives",
        "ended",
        "in the figures",
        "rows; lost",
    ]
    return PageTable("Runs in the order they were made.", columns, rows, 10)


def _settings(findings: Findings) -> PageTable:
    rows = [
        [s.storage, str(name), str(setting)]
        for s in findings.storages
        for name, setting in ((s.pooled[0].manifest.get("engine") or {}).get("settings") or {}).items()
    ]
    title = "Engine settings, as the servers reported them"
    caption = "Read back from the engine at the start."
    return PageTable(caption, ["system", "setting", "value"], rows, 3, title, grouped=True)


def _faults(findings: Findings) -> PageTable:
    rows = [
        [run.name, run.storage, fault["name"], _text(fault.get("title"))]
        for run in findings.runs
        for fault in run.manifest.get("faults") or ()
    ]
    caption = "Faults that the reference pods were started with: these runs say nothing about a pod without them."
    return PageTable(caption, ["run", "system", "fault", "what it does"], rows, 4)


def _versions(findings: Findings) -> PageTable:
    manifest = next((run.manifest for run in findings.runs if run.manifest), {})
    kept = ("scenario", "seed", "host", "harness", "generator", "packages")
    rows = [[path, str(leaf)] for key in kept for path, leaf in _leaves(key, manifest.get(key))]
    return PageTable("The same for all runs.", ["what", "value"], rows, 2, "Host, harness and packages")


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


SECTION = Section(
    name="runs",
    question="settings",
    title="Runs, settings and versions",
    beside=(_runs, _faults),
    folded=(_settings, _versions),
)
