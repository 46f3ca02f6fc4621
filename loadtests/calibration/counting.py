"""The server's own counters against the truth. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from loadtests.calibration.bars import COUNTED, COUNTER_RESOLUTION_MS, FEWEST
from loadtests.calibration.figures import Figure
from loadtests.calibration.truth import Expected


def growth(rows: Sequence[Mapping[str, Any]], counter: str, begun_ns: int, ended_ns: int) -> int | None:
    """How much a counter has grown from its last value before a time to its first after another; None where it was not
    read on both sides, or fell between them."""
    values = [(row["t_ns"], row["value"]) for row in rows if row["counter"] == counter]
    before = [value for t_ns, value in values if t_ns <= begun_ns]
    after = [value for t_ns, value in values if t_ns >= ended_ns]
    if not before or not after or after[0] < before[-1]:
        return None
    return int(after[0] - before[-1])


def counter_agrees(engine: str, database: str, expected: Sequence[Expected], grown_ms: float | None) -> Figure:
    """`expected`: the waits that the counter counts."""
    truth_ms, n = sum(wait.lasted_ns for wait in expected) / 1e6, len(expected)
    bar = max(COUNTED[engine], n * COUNTER_RESOLUTION_MS[engine] / max(truth_ms, 1e-9))

    def figure(value: float | None, verdict: Any, reason: str) -> Figure:
        return Figure(engine, database, "counter", "counter agrees", value, "ratio", bar, verdict, n, reason)

    if grown_ms is None:
        return figure(None, "unknown", "the counter was not read before and after the waits")
    if n < FEWEST or not truth_ms:
        return figure(None, "unknown", f"{n} waits are too few to judge by")
    value, excused = grown_ms / truth_ms, sum(wait.error_ns for wait in expected) / 1e6 / truth_ms
    off, reason = abs(value - 1), f"{grown_ms / 1e3:.3f} s counted of {truth_ms / 1e3:.3f} s"
    if bar < off <= bar + excused:
        return figure(value, "unknown", f"{reason}; the truth itself may be off by {excused:.1%}")
    return figure(value, "pass" if off <= bar else "fail", reason)
