"""What a study has shown so far, also while its runs are being made."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loadtests.records.files import UnreadableError
from loadtests.records.rundirectory import RunDirectory
from loadtests.scenario import ScenarioError, parse_scenario
from reports.data.contract import RunStage, judged
from reports.data.objective import Objective
from reports.data.timeline import stages
from reports.gate.inputs.counting import count_batches
from reports.gate.inputs.evidence import BLOCK_NS, BlockCount
from reports.gate.inputs.reading import read_excuses

SETTLED_NS = 1_000_000_000
"""On top of the longest time-out: how long after its end the last row of a block may be written. Workers write four
times a second."""

_DEFAULT_TIMEOUT_S = 10.0


@dataclass(frozen=True)
class RunSoFar:
    """One run: its storage, and by objective the time blocks of which every attempt has ended, in order."""

    run: str
    storage: str
    blocks: Mapping[str, Sequence[BlockCount]]
    ended: bool
    planned: Mapping[str, int]
    """Runs that the study plans, by storage."""


def read_so_far(run: RunDirectory, storage: str, objectives: Sequence[Objective]) -> RunSoFar | None:
    """None while the run has no manifest. Raises UnreadableError."""
    manifest, end = run.read("manifest"), run.read("end")
    if manifest is None:
        return None
    timeline = [row for batch in run.batches("timeline") for row in batch.to_pylist()]
    happened = stages(timeline, manifest, end or {})
    if end is None:
        happened = tuple(_with_planned(happened, manifest)) if any(row["kind"] == "stage" for row in timeline) else ()
    excuses, _ = read_excuses(run, end or {}, happened)
    counted = count_batches(run.batches("operations"), judged(happened), objectives, excuses)
    blocks: Mapping[str, Sequence[BlockCount]] = counted.blocks
    if end is None:
        settled = counted.last_ns - round(_longest_timeout_s(run) * 1e9) - SETTLED_NS
        blocks = {name: [b for b in found if b.begins_ns + BLOCK_NS <= settled] for name, found in blocks.items()}
    return RunSoFar(run.name, storage, blocks, end is not None, _planned(manifest))


def _with_planned(happened: Sequence[RunStage], manifest: Mapping[str, Any]) -> Iterator[RunStage]:
    """The stages that are over, which the timeline has, and as planned those that follow."""
    yield from happened
    started_ns = happened[-1].ended_ns
    for stage in (manifest.get("stages") or ())[len(happened) :]:
        ended_ns = started_ns + round(stage["duration_s"] * 1e9)
        yield RunStage(stage["name"], started_ns, ended_ns, bool(stage["judge"]))
        started_ns = ended_ns


def _planned(manifest: Mapping[str, Any]) -> dict[str, int]:
    planned = manifest.get("planned") or {}
    return {str(name): int(planned.get("rounds") or 0) for name in planned.get("storages") or ()}


def _longest_timeout_s(run: RunDirectory) -> float:
    """Of all operations: rows are written when operations end."""
    try:
        scenario = parse_scenario(run.read_text("scenario.yaml") or "", "scenario.yaml")
    except (ScenarioError, UnreadableError):
        return _DEFAULT_TIMEOUT_S
    return max([scenario.timeout_s("default"), *scenario.timeouts.values()])


def last_change(study: Path) -> float:
    """When a file of the study was last written (seconds since 1970); 0 without any."""
    found = [path.lstat().st_mtime for run in study.iterdir() if run.is_dir() for path in run.iterdir()]
    return max(found, default=0.0)
