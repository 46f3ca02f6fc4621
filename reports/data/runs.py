"""Run directories → the documents of each run, its stages and its timeline."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from loadtests.records.files import UnreadableError, shown
from loadtests.records.rundirectory import RunDirectory, run_directories, safe_name
from loadtests.records.shapes import MOST_PODS
from loadtests.records.streams import read_schema
from loadtests.records.tables import codes_of
from reports.data.contract import StudyRun, ledger_checks
from reports.data.tables import table
from reports.data.timeline import events, stages


class NotAStudyError(Exception):
    """The directory holds no run."""


def read_study(study: Path) -> list[StudyRun]:
    """The runs in the order they were made. Raises FileNotFoundError, or NotAStudyError when there is none in it."""
    runs = [read_run(directory) for directory in run_directories(study)]
    if not runs:
        raise NotAStudyError(study)
    storages = storages_by_run({run.directory: requested_storage(run.manifest) for run in runs})
    return [replace(run, storage=storages[run.directory]) for run in runs]


def read_run(directory: RunDirectory) -> StudyRun:
    documents = ("manifest", "end", "ledger", "calibration")
    problems: list[str] = []
    manifest, end, ledger, calibration = (_document(directory, name, problems) for name in documents)
    manifest = manifest or {}
    storage = storages_by_run({directory: requested_storage(manifest)})[directory]
    timeline = table(directory, "timeline").to_pylist()
    happened = stages(timeline, manifest, end or {})
    pods = pods_of(directory, manifest)
    happenings = happened, events(timeline), pods
    return StudyRun(directory, storage, manifest, end, ledger, *happenings, calibration, tuple(problems))


def pods_of(directory: RunDirectory, manifest: Mapping[str, Any]) -> tuple[str, ...]:
    """As in the manifest, followed by those that only the operations name. Raises UnreadableError."""
    target = (manifest.get("target") or {}).get("pods") or ()
    names = [str(pod.get("name")) for pod in target]
    for path in directory.table_files("operations"):
        schema = read_schema(path)
        names += codes_of(schema).get("pod", []) if schema is not None else []
    pods = tuple(dict.fromkeys(names))
    if len(pods) > MOST_PODS:
        raise UnreadableError(f"{shown(directory.path)} has {len(pods):,} pods; the most is {MOST_PODS}")
    return pods


def _document(directory: RunDirectory, name: str, problems: list[str]) -> Mapping[str, Any] | None:
    """A document; None when it is missing or, with an entry in `problems`, cannot be read."""
    try:
        content: Mapping[str, Any] | None = directory.read(name)
    except UnreadableError as error:
        problems.append(str(error))
        return None
    return content


def requested_storage(manifest: Mapping[str, Any]) -> str | None:
    """The storage system as requested, or a foreign target's label; None where the manifest has neither."""
    named = manifest.get("storage") or manifest.get("label")
    return str(named) if named else None


def storages_by_run(named: Mapping[RunDirectory, str | None]) -> dict[RunDirectory, str]:
    """Every run's storage. Without one in the manifest, the directory's name decides, matched to those of other
    runs."""
    siblings = {safe_name(storage): storage for storage in named.values() if storage is not None}
    return {run: storage or _by_name(run, siblings) for run, storage in named.items()}


def _by_name(run: RunDirectory, siblings: Mapping[str, str]) -> str:
    name = run.name.partition("-")[2]
    return siblings.get(name, name)


def orphans(runs: Sequence[StudyRun]) -> int | None:
    """Orphans found in all rounds together; None when one of them could not be read."""
    found = [check.get("count") for run in runs for check in ledger_checks(run) if check.get("check") == "orphans"]
    counts = [count for count in found if isinstance(count, int)]
    return sum(counts) if counts and len(counts) == len(found) >= len(runs) else None
