"""The `timeline` table: stages as the load announced them, actions as they went, and what went wrong."""

import json
from typing import Any, NamedTuple

from loadtests.conductor.failures import Reason
from loadtests.records.rundirectory import RunDirectory


class Row(NamedTuple):
    """A row in column order; times in ns since the origin."""

    started_ns: int
    ended_ns: int | None
    kind: str
    subject: str
    result: str
    detail: str


class TimelineTable:
    """The one writer of the table. A stage is written when the next one begins, or when the run ends; an action when
    it is over."""

    def __init__(self, directory: RunDirectory) -> None:
        self._table = directory.create_table("timeline")
        self._stage: dict[str, Any] | None = None

    def stage(self, event: dict[str, Any]) -> None:
        self._end_stage(event["started_ns"], "ok")
        self._stage = event

    def action(self, row: Row) -> None:
        self._table.write([row])

    def end(self, ended_ns: int, reason: Reason) -> None:
        """Closes the table: the load is over. A fault has a row of its own."""
        with self._table:
            self._end_stage(ended_ns, "ok" if reason.code == "completed" else reason.code)
            if reason.code != "completed":
                detail = json.dumps({"detail": reason.detail})
                self._table.write([Row(ended_ns, ended_ns, "fault", reason.code, reason.code, detail)])

    def _end_stage(self, ended_ns: int, result: str) -> None:
        if self._stage is not None:
            stage, self._stage = self._stage, None
            detail = {name: stage.get(name) for name in ("agents", "arrivals_per_s", "judge")}
            self._table.write([Row(stage["started_ns"], ended_ns, "stage", stage["name"], result, json.dumps(detail))])
