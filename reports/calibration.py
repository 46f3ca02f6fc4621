"""What the runs' calibrations found: how well each source of lock waits recovered waits that were made to measure."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any

from reports.frames import Run


@dataclass(frozen=True)
class Calibrated:
    """One figure of a run's `calibration.json`; `value` and `bar` are None where there is no number."""

    run: str
    engine: str
    database: str
    source: str
    figure: str
    value: float | None
    unit: str
    bar: float | None
    verdict: str
    n: int
    reason: str


def read_calibration(run: Run) -> tuple[Calibrated, ...]:
    return tuple(_row(run, row) for row in (run.calibration or {}).get("figures") or () if isinstance(row, dict))


def _row(run: Run, row: Mapping[str, Any]) -> Calibrated:
    text = {name: str(row.get(name) or "") for name in ("engine", "source", "figure", "unit", "reason")}
    value, bar, n = (_number(row.get(name)) for name in ("value", "bar", "n"))
    database, verdict = str(row.get("database") or text["engine"]), str(row.get("verdict") or "unknown")
    return Calibrated(run=run.name, database=database, value=value, bar=bar, n=int(n or 0), verdict=verdict, **text)


def _number(told: Any) -> float | None:
    return float(told) if isinstance(told, int | float) and isfinite(told) and not isinstance(told, bool) else None


def doubted(run: Run, database: str) -> Calibrated | None:
    """The figure of a calibration that failed, or could not be had: the waits of that database are unknown."""
    mine = (row for row in read_calibration(run) if row.database == database)
    return next((row for row in mine if row.verdict != "pass"), None)
