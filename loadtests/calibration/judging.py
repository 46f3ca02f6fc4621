"""From what was held and what was reported to figures, by engine. Pure but for reading the observer's tables."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from loadtests.calibration.contract import EngineCalibration, HeldWaits, ServerCounter, calibration_of
from loadtests.calibration.figures import FEWEST, Case, Figure, figures
from loadtests.calibration.observer import Observed
from loadtests.calibration.plan import Form
from loadtests.calibration.truth import ExpectedWait

_TIMED_BY_POD = {"known": ("pod",), "period_ns": 0, "threshold_ns": None}


@dataclass(frozen=True)
class DatabaseView:
    """A database as it is observed, by the name that its figures have, and the form of its calibration."""

    database: str
    engine: str
    form: Form


def not_calibrated(view: DatabaseView, reason: str) -> Figure:
    """The figure of a database that could not be calibrated."""
    source = next(iter(calibration_of(view.engine).tolerances), "counter")
    return Figure(view.engine, view.database, source, "waits found", None, "ratio", 1.0, "unknown", 0, reason)


def judge(view: DatabaseView, held: HeldWaits, observed: Observed | None) -> list[Figure]:
    """The figures of a database. `observed` None: the waiting side timed the waits itself."""
    own = calibration_of(view.engine)
    source = _TIMED_BY_POD if observed is None else observed.sources.get(view.database)
    found = _waits(own, view, held, observed, source) if source else []
    if observed is not None and own.counter is not None:
        found += _counter(own.counter, view, held, observed)
    return found or [not_calibrated(view, "its probe does not say how it knows of lock waits")]


def _waits(
    own: EngineCalibration, view: DatabaseView, held: HeldWaits, observed: Observed | None, source: Mapping[str, Any]
) -> list[Figure]:
    known = tuple(source["known"])
    if not known or known[0] not in own.tolerances:
        return []
    reported = held.reported if observed is None else observed.waits(view.database)
    periods = (source["period_ns"], source["threshold_ns"])
    return figures(Case(view.engine, view.database, view.form, known, *periods, held.error_ns, held.waits, reported))


def _counter(counter: ServerCounter, view: DatabaseView, held: HeldWaits, observed: Observed) -> list[Figure]:
    """None in the short form when its time was too short for a second reading of the counters."""
    waits = [wait for wait in held.waits if wait.lock == counter.lock]
    grown = growth(observed.rows("counters", view.database), counter.name, *_span_ns(waits))
    if grown is None and view.form == "short":
        return []
    return [counter_agrees(view.engine, view.database, waits, None if grown is None else grown / counter.per_ms)]


def _span_ns(waits: Sequence[ExpectedWait]) -> tuple[int, int]:
    return min((w.started_ns for w in waits), default=0), max((w.ended_ns for w in waits), default=0)


def growth(rows: Sequence[Mapping[str, Any]], counter: str, begun_ns: int, ended_ns: int) -> int | None:
    """The growth of a counter from its last value before one time to its first after another.

    None where it was not read on both sides, or was reset in between.
    """
    values = [(row["t_ns"], row["value"]) for row in rows if row["counter"] == counter]
    before = [value for t_ns, value in values if t_ns <= begun_ns]
    after = [value for t_ns, value in values if t_ns >= ended_ns]
    if not before or not after or after[0] < before[-1]:
        return None
    return int(after[0] - before[-1])


def counter_agrees(engine: str, database: str, waits: Sequence[ExpectedWait], grown_ms: float | None) -> Figure:
    """Compares the server's counter with the waits that it counts."""
    counter = calibration_of(engine).counter
    assert counter is not None
    truth_ms, n = sum(wait.lasted_ns for wait in waits) / 1e6, len(waits)
    bar = max(counter.tolerance, n * counter.resolution_ms / max(truth_ms, 1e-9))

    def figure(value: float | None, verdict: Any, reason: str) -> Figure:
        return Figure(engine, database, "counter", "counter agrees", value, "ratio", bar, verdict, n, reason)

    if grown_ms is None:
        return figure(None, "unknown", "the counter was not read before and after the waits")
    if n < FEWEST or not truth_ms:
        return figure(None, "unknown", f"{n} waits are too few to judge by")
    value, truth_error = grown_ms / truth_ms, sum(wait.error_ns for wait in waits) / 1e6 / truth_ms
    off, reason = abs(value - 1), f"{grown_ms / 1e3:.3f} s counted of {truth_ms / 1e3:.3f} s"
    if bar < off <= bar + truth_error:
        return figure(value, "unknown", f"{reason}; the truth itself may be off by {truth_error:.1%}")
    return figure(value, "pass" if off <= bar else "fail", reason)
