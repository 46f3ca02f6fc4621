"""The pod's own table of transactions: `transactions-<pod>.arrows` of a run directory."""

import asyncio
import logging
from contextlib import suppress
from itertools import chain, count
from pathlib import Path
from typing import Any, Final

from loadtests.pod.storage.contract import Transaction
from loadtests.protocols.contract import key_number
from loadtests.records.rundirectory import RunDirectory
from loadtests.records.streams import BATCH_INTERVAL_S, TableWriter
from loadtests.records.tables import TRANSACTIONS_TABLE, codes_of

_CODES = {
    column: {name: code for code, name in enumerate(names)}
    for column, names in codes_of(TRANSACTIONS_TABLE.schema()).items()
}
_OPERATIONS: Final = _CODES["operation"]
_OUTCOMES: Final = _CODES["outcome"]

_log = logging.getLogger(__name__)


def row(t: Transaction, origin_ns: int) -> tuple[Any, ...]:
    """A transaction in column order, its times since the run's origin."""
    return (
        t.session,
        _OPERATIONS[t.call.operation],
        key_number(t.call.key) if t.call.key else None,
        None if t.waiting_ns is None else t.waiting_ns - origin_ns,
        t.begun_ns - origin_ns,
        t.ended_ns - origin_ns,
        _OUTCOMES[t.outcome],
        t.database,
        t.call.received_ns - origin_ns,
        None if t.asked_ns is None else t.asked_ns - origin_ns,
    )


def _create(directory: RunDirectory, pod: str) -> TableWriter:
    """The pod's table; a pod that was started again in the same run has `transactions-POD-2`, and so on."""
    for writer in chain([pod], (f"{pod}-{life}" for life in count(2))):
        with suppress(FileExistsError):
            return directory.create_table("transactions", writer)
    raise AssertionError


class TransactionsTable:
    """Takes transactions on the event loop's thread and writes them in batches on another."""

    def __init__(self, run_directory: Path, pod: str, origin_ns: int) -> None:
        """Raises OSError when the table cannot be made."""
        self._origin_ns = origin_ns
        self._pending: list[Transaction] = []
        self._writer = _create(RunDirectory(run_directory), pod)
        self.lost = 0

    def record(self, transaction: Transaction) -> None:
        self._pending.append(transaction)

    async def run(self) -> None:
        """Writes what has gathered, several times a second, until cancelled."""
        while True:
            await asyncio.sleep(BATCH_INTERVAL_S * 0.8)
            writing = asyncio.ensure_future(asyncio.to_thread(self.flush))
            try:
                await asyncio.shield(writing)
            except asyncio.CancelledError:
                await writing  # one thread at a time on the stream: `close` comes next
                raise

    def flush(self) -> None:
        pending, self._pending = self._pending, []
        if not pending or self.lost:
            self.lost += len(pending) if self.lost else 0
            return
        try:
            self._writer.write([row(t, self._origin_ns) for t in pending])
        except OSError as error:
            # A stream that was cut in mid-batch cannot be continued.
            self.lost += len(pending)
            _log.error("transactions_not_written", extra={"error": str(error)})

    def close(self) -> None:
        """Writes the rest and ends the stream."""
        self.flush()
        try:
            self._writer.close()
        except OSError as error:
            _log.error("transactions_not_closed", extra={"error": str(error)})
