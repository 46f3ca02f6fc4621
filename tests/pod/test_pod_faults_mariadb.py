"""The fault that is real on MariaDB: what the server says of its locks."""

import asyncio
from typing import Any

import pytest
from faulty_pods import AGENT, FreshDatabase, accepted_chat, call, faulty, offer

from loadtests.drivers import mariadb
from loadtests.drivers.addresses.contract import DatabaseAddress
from loadtests.pod.faults import gap_locks
from loadtests.pod.storage.contract import Done
from loadtests.pod.storage.mariadb.connection import parse

pytestmark = pytest.mark.server

WAITING = """
SELECT w.lock_mode, w.lock_data FROM information_schema.innodb_lock_waits AS waits
JOIN information_schema.innodb_locks AS w ON w.lock_id = waits.requested_lock_id
JOIN information_schema.innodb_trx AS t ON t.trx_id = waits.requesting_trx_id
WHERE t.trx_query LIKE '%%chat.offer@pod-1%%INSERT%%INTO chats%%'
"""


async def waiting_modes(address: DatabaseAddress) -> list[Any]:
    """The modes in which inserts of chats wait for locks, and the rows of these, as soon as one does; InnoDB renews
    them ten times a second at most."""
    session = await mariadb.connect(address, timeout_s=5)
    try:
        async with asyncio.timeout(10):
            while True:
                cursor = session.cursor()
                await cursor.execute(WAITING)
                if modes := [tuple(row) for row in await cursor.fetchall()]:
                    return modes
                await asyncio.sleep(0.15)
    finally:
        session.close()


async def test_gap_locks_keep_chats_from_being_inserted(
    mariadb_database: FreshDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gap_locks, "_AGAIN_S", 0.1)
    monkeypatch.setattr(gap_locks, "_WAIT_FOR_S", 1.0)
    async with faulty("gap-locks", "mariadb:optimistic", mariadb_database.pod_dsn) as pod:
        chat = await accepted_chat(pod.storage)
        assert isinstance(await pod.storage.close_chat(call("chat.close"), AGENT, chat), Done)
        offers = asyncio.create_task(offers_until_cancelled(pod.storage))
        for mode, row in await waiting_modes(parse(mariadb_database.dsn)):
            assert mode == "X,GAP" or row == "supremum pseudo-record", (
                "the gap before a row, or that after the last one"
            )
        offers.cancel()


async def offers_until_cancelled(storage: Any) -> None:
    while True:
        await offer(storage)
        await asyncio.sleep(0.02)
