"""The probe that reads PostgreSQL's log, with its own ticks: while it fails, the sampler continues.

Also how a server's waits can be known, by the settings and privileges found.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loadtests.probes.contract import BlindError, Rows, Source
from loadtests.probes.jsonlog.log_reader import LogReader
from loadtests.probes.waits import Wait

FIRST_WITH_JSONLOG = 15
_HIDDEN = "other roles' statements are hidden from this one: grant it pg_read_all_stats"
WITHDRAWN = f"privileges are not what they were: {_HIDDEN}, or pg_monitor, again"


@dataclass(frozen=True)
class LogSettings:
    """What the server says of its log. `path` None where it keeps no jsonlog."""

    lock_waits: bool
    language: str
    threshold_ns: int
    path: Path | None
    zone_s: int
    own_settings: bool

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> "LogSettings":
        """Of a row of `postgres-log.sql`."""
        file = row["file"]
        return cls(
            row["lock_waits"],
            row["language"],
            int(row["threshold_us"]) * 1000,
            Path(row["directory"]) / file if file else None,
            row["zone_s"],
            row["own_settings"],
        )

    @property
    def has_english_messages(self) -> bool:
        """By the locale's name: `C`, `POSIX`, `C.UTF-8`, `en_GB.UTF-8`, `English_United States.1252`."""
        language = re.split(r"[._@]", self.language.casefold())[0]
        return language in ("c", "posix", "en", "english")

    @property
    def why_not(self) -> str | None:
        """Why waits cannot be known from the log; None when they can be, where it can be read."""
        if self.path is None:
            return "the server writes no jsonlog: set log_destination = 'jsonlog' and logging_collector = on"
        if not self.lock_waits:
            return "the server does not log lock waits: set log_lock_waits = on"
        if not self.has_english_messages:
            return f"the server's messages are in {self.language or 'an unnamed language'}: set lc_messages = 'C'"
        if self.own_settings:
            return "some roles or databases have settings of their own for lock waits in the log: reset them"
        return None


def source(period_ns: int, threshold_ns: int, why_not: str | None, sees_all: bool) -> Source:
    """`why_not`: why the log is not used."""
    hidden = "" if sees_all else _HIDDEN
    if why_not is None:
        return Source(("event", "sampled"), period_ns, threshold_ns, hidden)
    return Source(("sampled",), period_ns, None, "; ".join(part for part in (why_not, hidden) if part))


class LogProbe:
    """Reads what was logged since the last tick. It needs no connection: the sampler queries the server for it."""

    def __init__(
        self, name: str, log: LogReader, rows: Callable[[Sequence[Wait]], Rows], period_s: float = 0.25
    ) -> None:
        self.name, self._log, self._rows = name, log, rows
        self.period_s, self.deadline_s = period_s, 4 * period_s

    async def open(self) -> None:
        """There is nothing to open before the sampler has found the log."""

    async def sample(self) -> Rows:
        self._read()
        if self._log.why is not None:
            raise BlindError(self._log.why)
        if lost := self._log.news():
            raise BlindError(lost)
        return self._rows(self._log.over())

    async def close(self) -> None:
        """The file is kept until the end: `rest` reads it once more."""

    def rest(self) -> Rows:
        self._read()
        return self._rows(self._log.end(self.name))

    def _read(self) -> None:
        try:
            self._log.read()
        except OSError as error:
            self._log.stop(f"the server's log cannot be read any more: {error}")
