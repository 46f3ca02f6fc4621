"""What the documents of a run directory are made of: the type and the range of each key that is read.

Keys may be missing, as in runs of older versions, and others may be there, as in runs of newer ones. A key that is
there has the type that `docs/run-directory.md` says, so that readers need not ask.
"""

from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any, Final, Required

from pydantic import Field, PlainValidator, TypeAdapter, ValidationError
from pydantic_core import PydanticCustomError
from typing_extensions import TypedDict

from loadtests.records.conformity import LONGEST_NS, LONGEST_S
from loadtests.records.files import UnreadableError

MOST_PODS: Final = 255
"""The most pods of a run: their code has one byte."""

_SHOWN = 40


def _directory_name(value: Any) -> Any:
    if not (isinstance(value, str) and len(value) < 1 << 10) and value is not None:
        raise PydanticCustomError("string_type", "Input should be the name of a directory")
    return value


Count = Annotated[int, Field(ge=0, lt=2**63)]
Whole = Annotated[int, Field(ge=-(2**63), lt=2**63)]
Number = Annotated[float, Field(ge=-1e15, le=1e15, allow_inf_nan=False)]
Seconds = Annotated[float, Field(ge=0, le=LONGEST_S, allow_inf_nan=False)]
Moment = Annotated[int, Field(ge=-LONGEST_NS, le=LONGEST_NS)]
Name = Annotated[str, Field(max_length=1 << 16)]
Text = Name | None
DirectoryName = Annotated[Any, PlainValidator(_directory_name)]
"""May have bytes that are no text, as Python represents them."""
Counts = Annotated[dict[Name, Count], Field(max_length=10_000)]


class ScenarioShape(TypedDict, total=False):
    name: Text
    sha256: Text


class PlannedShape(TypedDict, total=False):
    rounds: Required[Annotated[int, Field(ge=0, le=1_000)]]
    storages: Required[Annotated[list[Name], Field(max_length=1_000)]]


class HarnessShape(TypedDict, total=False):
    version: Text
    commit: Text


class PodShape(TypedDict, total=False):
    name: Text
    accounts: list[Name] | int | None


class TargetShape(TypedDict, total=False):
    owned: bool | None
    pods: Annotated[list[PodShape], Field(max_length=MOST_PODS)] | None


class PromisesShape(TypedDict, total=False):
    durable: bool | None
    no_orphans: bool | None
    commit_survives: Text


class EngineShape(TypedDict, total=False):
    name: Text
    version: Text
    settings: Annotated[dict[Name, Any], Field(max_length=10_000)] | None
    promises: PromisesShape | None


class HostShape(TypedDict, total=False):
    cpu: Text
    cores: Number | None


class RemoteWorkerShape(TypedDict, total=False):
    error_ns: Whole | None


class GeneratorShape(TypedDict, total=False):
    workers: list[RemoteWorkerShape] | None


class LockSourceShape(TypedDict, total=False):
    known: Annotated[list[Name], Field(max_length=100)] | None
    period_ns: Count | None
    threshold_ns: Count | None
    reason: Text


class StageShape(TypedDict, total=False):
    name: Required[Name]
    starts_s: Required[Seconds]
    duration_s: Required[Seconds]
    agents: Number | None
    arrivals_per_s: Number | None
    judge: Required[bool]


class FaultShape(TypedDict, total=False):
    name: Required[Name]
    title: Text


class ManifestShape(TypedDict, total=False):
    format: int
    study: DirectoryName
    run: DirectoryName
    round: Count | None
    planned: PlannedShape | None
    storage: Text
    label: Text
    scenario: ScenarioShape | None
    seed: Whole | None
    harness: HarnessShape | None
    target: TargetShape | None
    engine: EngineShape | None
    host: HostShape | None
    faults: Annotated[list[FaultShape], Field(max_length=1_000)] | None
    notes: Annotated[list[Name], Field(max_length=1_000)] | None
    generator: GeneratorShape | None
    lock_sources: Annotated[dict[Name, LockSourceShape | None], Field(max_length=1_000)] | None
    stages: Annotated[list[StageShape], Field(max_length=10_000)] | None


class OperationsShape(TypedDict, total=False):
    begun: Count | None
    written: Count
    in_flight: Count | None
    lost: Count | None
    lost_at_most: Count | None


class LateStartsShape(TypedDict, total=False):
    count: Required[Count]
    of: Required[Count]


class LoadStageShape(TypedDict, total=False):
    name: Text
    lasted_s: Number | None
    """Negative in older runs, of a stage that began after the load was asked to end."""
    agents: Count | None
    agents_missing: Count | None
    agents_extra: Count | None


class LoadShape(TypedDict, total=False):
    stages: list[LoadStageShape] | None


class WorkerShape(TypedDict, total=False):
    cpu_share: Number | None
    cpu_allowed: Number | None
    run_queue_share: Number | None
    throttled_share: Number | None
    stood_still_s: Number | None
    late_starts: Count | None
    unstamped_connections: Count | None


class LoadGeneratorShape(TypedDict, total=False):
    saturated: bool | None
    reasons: Annotated[list[Name], Field(max_length=1_000)] | None
    local_errors: Counts | None
    workers: list[WorkerShape] | None


class HostLoadShape(TypedDict, total=False):
    reason: Text


class ObserverShape(TypedDict, total=False):
    blind_s: Required[Seconds]
    reason: Text


class EndShape(TypedDict, total=False):
    reason: Name
    detail: Text
    ended_ns: Moment
    rows: Counts
    later_rows: Counts
    operations: OperationsShape | None
    late_starts: LateStartsShape | None
    load: LoadShape | None
    generator: LoadGeneratorShape | None
    local_errors: Annotated[dict[Name, Counts], Field(max_length=2_000)] | None
    host: HostLoadShape | None
    observer: ObserverShape | None


class LedgerShape(TypedDict, total=False):
    checks: Annotated[list[Any], Field(max_length=10_000)] | None


class LedgerCheckShape(TypedDict, total=False):
    """Stricter than `Ledger`: for a reader that judges by it."""

    check: Required[Name]
    verdict: Required[Name]
    count: Required[Count | None]
    reason: Text


class CalibrationShape(TypedDict, total=False):
    figures: Annotated[list[Any], Field(max_length=10_000)] | None


_SHAPES: Mapping[str, Any] = {
    "manifest": ManifestShape,
    "end": EndShape,
    "ledger": LedgerShape,
    "ledger check": LedgerCheckShape,
    "calibration": CalibrationShape,
}


def check_shape(shape: str, content: Any, name: str) -> None:
    """Raises UnreadableError, which calls the content `name`, when it is not of the shape."""
    try:
        _adapter(shape).validate_python(content, strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        place = ".".join(_cut(part) for part in first["loc"])
        value = "" if first["type"] == "missing" else f" (got {_cut(first['input'])})"
        where = f": {place}" if place else ""
        raise UnreadableError(f"{name}{where}: {first['msg']}{value}") from None


@cache
def _adapter(shape: str) -> TypeAdapter[Any]:
    return TypeAdapter(_SHAPES[shape])


def _cut(value: Any) -> str:
    if isinstance(value, dict | list):
        return f"{'an object' if isinstance(value, dict) else 'a list'} of {len(value)}"
    text = ascii(value) if isinstance(value, str) and not value.isidentifier() else str(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
