"""Results of the runs' calibrations: how well each source of lock waits recovered waits of known length."""

from collections.abc import Mapping
from math import isfinite
from typing import Any

from reports.data.contract import Calibrated, StudyRun


def read_calibration(run: StudyRun) -> tuple[Calibrated, ...]:
    return tuple(_row(run, row) for row in (run.calibration or {}).get("figures") or () if isinstance(row, dict))


def _row(run: StudyRun, row: Mapping[str, Any]) -> Calibrated:
    text = {name: str(row.get(name) or "") for name in ("engine", "source", "figure", "unit", "reason")}
    value, bar, n = (_number(row.get(name)) for name in ("value", "bar", "n"))
    database, verdict = str(row.get("database") or text["engine"]), str(row.get("verdict") or "unknown")
    return Calibrated(run=run.name, database=database, value=value, bar=bar, n=int(n or 0), verdict=verdict, **text)


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and isfinite(value) and not isinstance(value, bool) else None


def doubted(run: StudyRun, database: str) -> Calibrated | None:
    """The first figure of this database's calibration that did not pass: its lock waits are unknown then."""
    selected = (row for row in read_calibration(run) if row.database == database)
    return next((row for row in selected if row.verdict != "pass"), None)
