"""The probe that reads PostgreSQL's log, with its own ticks: while it fails, the sampler continues."""

from collections.abc import Callable, Sequence

from loadtests.probes.contract import BlindError, Rows
from loadtests.probes.jsonlog.log_reader import LogReader
from loadtests.probes.waits import Wait


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
