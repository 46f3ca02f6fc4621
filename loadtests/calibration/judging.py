"""From what was done and what was told to figures, by engine. Pure but for reading the observer's tables."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from loadtests.calibration.bars import BARS, COUNTED
from loadtests.calibration.counting import counter_agrees, growth
from loadtests.calibration.figures import Case, Figure, figures
from loadtests.calibration.holders import Made
from loadtests.calibration.observer import Observed
from loadtests.calibration.plan import Form
from loadtests.calibration.truth import Expected

_COUNTS = {"mariadb": ("lock_wait_ms", 1.0, "row"), "redis": ("command_us:evalsha", 1000.0, "thread")}
"""Engine → its counter of waited or busy time, how much of it a millisecond is, and the lock that it is about."""

_OWN = {"known": ("pod",), "period_ns": 0, "threshold_ns": None}


@dataclass(frozen=True)
class Look:
    """A database under the name that the figures have, and how long its calibration may take."""

    database: str
    engine: str
    form: Form


def undone(look: Look, reason: str) -> Figure:
    """Nothing could be calibrated."""
    source = next((known for engine, known in BARS if engine == look.engine), "counter")
    return Figure(look.engine, look.database, source, "waits found", None, "ratio", 1.0, "unknown", 0, reason)


def judged(look: Look, made: Made, observed: Observed | None) -> list[Figure]:
    """`observed` None: whoever waited timed it himself."""
    source = _OWN if observed is None else observed.sources.get(look.database)
    found = _waits(look, made, observed, source) if source else []
    if observed is not None and look.engine in COUNTED:
        found += _counter(look, made, observed)
    return found or [undone(look, "its probe says nothing of how it knows")]


def _waits(look: Look, made: Made, observed: Observed | None, source: Mapping[str, Any]) -> list[Figure]:
    known = tuple(source["known"])
    if not known or (look.engine, known[0]) not in BARS:
        return []
    told = made.told if observed is None else observed.waits(look.database)
    periods = (source["period_ns"], source["threshold_ns"])
    return figures(Case(look.engine, look.database, look.form, known, *periods, made.error_ns, made.waits, told))


def _counter(look: Look, made: Made, observed: Observed) -> list[Figure]:
    """In the short form there is no time for the counters to be read once more."""
    name, per_ms, lock = _COUNTS[look.engine]
    waits = [wait for wait in made.waits if wait.lock == lock]
    grown = growth(observed.rows("counters", look.database), name, *_span_ns(waits))
    if grown is None and look.form == "short":
        return []
    return [counter_agrees(look.engine, look.database, waits, None if grown is None else grown / per_ms)]


def _span_ns(waits: Sequence[Expected]) -> tuple[int, int]:
    return min((w.started_ns for w in waits), default=0), max((w.ended_ns for w in waits), default=0)
