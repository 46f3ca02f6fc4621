"""The pod's table of transactions."""

import asyncio
import errno
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest

from loadtests.pod.storage.contract import Call, Transaction
from loadtests.pod.transactions import TransactionsTable, row
from loadtests.records.rundirectory import RunDirectory
from loadtests.records.tables import TRANSACTIONS_TABLE, codes_of

CODES = codes_of(TRANSACTIONS_TABLE.schema())


def _transaction(operation: str = "chat.accept", key: str = "00000000000000a7") -> Transaction:
    call = Call(operation, key, "account-0001", received_ns=1_001)
    return Transaction(7, call, 1_010, 1_020, 1_030, "lock_timeout", "legacy", asked_ns=1_002)


def test_a_row_is_in_column_order_with_times_since_the_origin() -> None:
    values = dict(zip([c.name for c in TRANSACTIONS_TABLE.columns], row(_transaction(), 1_000), strict=True))
    assert CODES["operation"][values.pop("operation")] == "chat.accept"
    assert CODES["outcome"][values.pop("outcome")] == "lock_timeout"
    numbers = {
        "session": 7,
        "key": 0xA7,
        "waiting_ns": 10,
        "begun_ns": 20,
        "ended_ns": 30,
        "received_ns": 1,
        "asked_ns": 2,
    }
    assert values == {**numbers, "database": "legacy"}


def test_maintenance_has_no_key(tmp_path: Path) -> None:
    table = TransactionsTable(tmp_path, "pod-1", 0)
    table.record(_transaction("maintenance", ""))
    table.close()
    (batch,) = RunDirectory(tmp_path).batches("transactions")
    assert batch.column("key").to_pylist() == [None]


def test_a_full_disk_is_counted_and_does_not_stop_the_pod(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = TransactionsTable(tmp_path, "pod-1", 0)
    table.record(_transaction())
    table.flush()

    def full(_: object) -> NoReturn:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(table._writer, "write", full)
    for _ in range(3):
        table.record(_transaction())
        table.flush()
    table.close()
    assert table.lost == 3
    assert [batch.num_rows for batch in RunDirectory(tmp_path).batches("transactions")] == [1]


async def test_who_cancels_the_writing_waits_for_the_batch_under_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = TransactionsTable(tmp_path, "pod-1", 0)
    writing = asyncio.Event()

    async def elsewhere(job: Callable[[], None]) -> None:
        """As a thread would; a real one is a greenlet where gevent has been imported, and waits for this loop."""
        writing.set()
        await asyncio.sleep(0.1)
        job()

    monkeypatch.setattr(asyncio, "to_thread", elsewhere)
    table.record(_transaction())
    run = asyncio.create_task(table.run())
    await writing.wait()
    run.cancel()
    await asyncio.gather(run, return_exceptions=True)
    assert table._writer.rows == 1, "written before another task may touch the stream"
    table.close()
