"""Run directories → values and numpy arrays: only the columns that a report needs, never a whole file in memory."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from loadtests.records.files import UnreadableError, shown
from loadtests.records.rundirectory import RunDirectory, run_directories
from loadtests.records.shapes import MOST_PODS
from loadtests.records.streams import read_batches, read_schema
from loadtests.records.tables import TABLES, codes_of
from loadtests.records.vocabulary import ERRORS, OPERATIONS, OUTCOMES
from reports.judged_time import Window, merged
from reports.stages import RunStage, judged, stages
from reports.storages import asked, by_run
from reports.timeline import TimelineEvent, events

Ints = npt.NDArray[np.int64]
Codes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

MISSING: int = int(np.iinfo(np.int64).min)
"""Stands for null in an int64 array."""

MOST_DRAWN = 100
"""Actions and faults in a plot: a thousand take half a minute and half a gigabyte."""

CHUNK_ROWS = 1 << 19
_VOCABULARIES = {"operation": OPERATIONS, "outcome": OUTCOMES, "error": ERRORS}
_TIMES = ("planned_ns", "started_ns", "ended_ns", "published_ns")


class NotAStudyError(Exception):
    """The directory holds no run."""


@dataclass(frozen=True)
class StudyRun:
    """One run's documents and stages. `manifest` is empty, `end` and `ledger` are None, when never written.

    `storage` is the storage system as requested, or a foreign target's label; without a manifest, the name in the
    directory's name.
    """

    directory: RunDirectory
    storage: str
    manifest: Mapping[str, Any]
    end: Mapping[str, Any] | None
    ledger: Mapping[str, Any] | None
    stages: tuple[RunStage, ...]
    events: tuple[TimelineEvent, ...] = ()
    pods: tuple[str, ...] = ()
    """As in the manifest, followed by those that only the operations name."""
    calibration: Mapping[str, Any] | None = None
    """None when nothing was calibrated."""
    unreadable: tuple[str, ...] = ()
    """Why existing documents could not be read, one sentence each; these count as never written."""

    @property
    def name(self) -> str:
        return self.directory.name

    @property
    def drawn(self) -> tuple[TimelineEvent, ...]:
        """The events that plots show: each takes a line of its own."""
        return self.events[:MOST_DRAWN]

    @property
    def completed(self) -> bool:
        return self.end is not None and self.end.get("reason") == "completed"

    @property
    def ending(self) -> str:
        """Why the run ended, in the words of `end.json`; `aborted` when it was never written."""
        return "aborted" if self.end is None else str(self.end.get("reason", "unknown"))

    @property
    def judged(self) -> tuple[Window, ...]:
        """The windows that count: the judged stages, or the whole run where none is marked."""
        return judged(self.stages) or merged((s.started_ns, s.ended_ns) for s in self.stages)

    @property
    def started_ns(self) -> int:
        return min((s.started_ns for s in self.stages), default=0)

    @property
    def ended_ns(self) -> int:
        ends = [s.ended_ns for s in self.stages]
        return max([*ends, int((self.end or {}).get("ended_ns") or 0)], default=0)


@dataclass(frozen=True)
class Rows:
    """A piece of the operations table, one array a column. Codes are places in the vocabulary; null is MISSING."""

    operation: Codes
    outcome: Codes
    error: Codes
    key: npt.NDArray[np.uint64]
    planned_ns: Ints
    started_ns: Ints
    ended_ns: Ints
    published_ns: Ints
    pod: Codes
    """Positions in the requested list of pods; 255 for another pod."""


def read_study(study: Path) -> list[StudyRun]:
    """The runs in the order they were made. Raises FileNotFoundError, or NotAStudyError when there is none in it."""
    runs = [read_run(directory) for directory in run_directories(study)]
    if not runs:
        raise NotAStudyError(study)
    storages = by_run({run.directory: asked(run.manifest) for run in runs})
    return [replace(run, storage=storages[run.directory]) for run in runs]


def read_run(directory: RunDirectory) -> StudyRun:
    documents = ("manifest", "end", "ledger", "calibration")
    problems: list[str] = []
    manifest, end, ledger, calibration = (_document(directory, name, problems) for name in documents)
    manifest = manifest or {}
    storage = by_run({directory: asked(manifest)})[directory]
    timeline = table(directory, "timeline").to_pylist()
    happened = stages(timeline, manifest, end or {})
    pods = _pods(directory, manifest)
    happenings = happened, events(timeline), pods
    return StudyRun(directory, storage, manifest, end, ledger, *happenings, calibration, tuple(problems))


def _pods(directory: RunDirectory, manifest: Mapping[str, Any]) -> tuple[str, ...]:
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


def table(directory: RunDirectory, name: str) -> pa.Table:
    """A small table whole, all writers together; empty when it was not written."""
    batches = list(directory.batches(name))
    if not batches:
        columns = TABLES[name].columns
        return pa.schema([pa.field(c.name, c.type) for c in columns]).empty_table()
    return pa.Table.from_batches([b.replace_schema_metadata(batches[0].schema.metadata) for b in batches])


def times(run: StudyRun, name: str, columns: Sequence[str]) -> list[Ints]:
    """Columns of a big table as int64 arrays (codes too), all writers together; null is MISSING."""
    pieces = [
        [_times(batch.column(c)) for c in columns]
        for path in run.directory.table_files(name)
        for batch in read_batches(path)
    ]
    if not pieces:
        return [np.empty(0, dtype=np.int64) for _ in columns]
    return [np.concatenate(parts) for parts in zip(*pieces, strict=True)]


def operations(run: StudyRun, pods: Sequence[str], rows: int = CHUNK_ROWS) -> Iterator[Rows]:
    """The operations of a run in pieces of at most about `rows`, all workers one after another."""
    for path in run.directory.table_files("operations"):
        yield from _pieces(path, tuple(pods), rows)


def _pieces(path: Path, pods: tuple[str, ...], rows: int) -> Iterator[Rows]:
    waiting: list[Rows] = []
    held = 0
    for batch in read_batches(path):
        waiting.append(_rows(batch, pods))
        held += batch.num_rows
        if held >= rows:
            yield _joined(waiting)
            waiting, held = [], 0
    if waiting:
        yield _joined(waiting)


def _rows(batch: pa.RecordBatch, pods: tuple[str, ...]) -> Rows:
    codes = codes_of(batch.schema)
    operation, outcome, error, pod = (
        _places(vocabulary, tuple(codes.get(name, ())))[_codes(batch, name)]
        for name, vocabulary in (*_VOCABULARIES.items(), ("pod", pods))
    )
    key = batch.column("key").to_numpy(zero_copy_only=False).copy()
    planned, started, ended, published = (_times(batch.column(name)) for name in _TIMES)
    return Rows(operation, outcome, error, key, planned, started, ended, published, pod)


def _codes(batch: pa.RecordBatch, name: str) -> Codes:
    return np.asarray(batch.column(name).to_numpy(zero_copy_only=False), dtype=np.uint8)


@lru_cache(64)
def _places(vocabulary: tuple[str, ...], names: tuple[str, ...]) -> Codes:
    """This file's codes → places in our vocabulary: an unknown name gets 255."""
    known = np.full(256, 255, dtype=np.uint8)
    known[: len(names)] = [vocabulary.index(n) if n in vocabulary else 255 for n in names]
    return known


def _times(column: pa.Array) -> Ints:
    if column.null_count:
        column = column.fill_null(MISSING)
    return np.array(column.to_numpy(zero_copy_only=False), dtype=np.int64)


def _joined(pieces: Sequence[Rows]) -> Rows:
    if len(pieces) == 1:
        return pieces[0]
    fields = Rows.__dataclass_fields__
    return Rows(*(np.concatenate([getattr(p, f) for p in pieces]) for f in fields))
