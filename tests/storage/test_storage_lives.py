"""Many clients at once, on every storage system: every promise is kept, also when the database is killed meanwhile."""

import asyncio
import random
from pathlib import Path

import pytest
from storage_lives import Account, check
from storage_systems import System, sit_down

from loadtests.pod.storage.contract import Done, Storage, Subscribed
from loadtests.protocols.contract import QUEUE_TOPIC
from loadtests.servers.contract import DatabaseServer
from loadtests.servers.registry import create_server

ACCOUNTS = 4
AGENTS = CUSTOMERS = 8
LOCKINGS = ("pessimistic", "optimistic", "none")


def _accounts(seed: int) -> list[Account]:
    return [Account(f"account-{n:04}", random.Random(f"{seed} {n}")) for n in range(ACCOUNTS)]


async def test_64_clients_live_their_lives_and_every_promise_is_kept(storage: Storage) -> None:
    accounts = _accounts(1)
    async with asyncio.TaskGroup() as clients:
        for account in accounts:
            for n in range(AGENTS):
                clients.create_task(account.agent(storage, n, CUSTOMERS))
            for n in range(CUSTOMERS):
                clients.create_task(account.customer(storage, n))
    for account in accounts:
        copy = await storage.copy_account(account.name)
        check(account, copy)
        assert len(account.accepted) == len(copy.chats) == CUSTOMERS
        assert account.messages == {message.key for message in copy.messages}
        assert set(account.events) == set(copy.events)
        assert len(account.messages) == CUSTOMERS * 4
    statistics = await storage.statistics(0)
    assert (statistics.connections, statistics.chats) == (0, ACCOUNTS * CUSTOMERS // 2)
    assert statistics.messages == ACCOUNTS * CUSTOMERS * 4
    assert (statistics.subscriptions, statistics.orphans) == (0, 0), "no client subscribed while it was leaving"


@pytest.fixture
def doomed(request: pytest.FixtureRequest, tmp_path: Path, doomed_storage: str) -> DatabaseServer:
    """A server that a test may kill; skipped where the other cannot be made."""
    engine = doomed_storage.partition(":")[0]
    request.getfixturevalue(f"{engine}_server")
    return create_server(engine, tmp_path / "server")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "doomed_storage" in metafunc.fixturenames:
        every = [f"{engine}:{locking}" for engine in ("postgres", "mariadb") for locking in LOCKINGS]
        some = ["postgres:optimistic", "postgres:none", "mariadb:pessimistic"]
        metafunc.parametrize("doomed_storage", every if metafunc.config.getoption("--every-storage") else some)


def test_database_killed_amid_the_load_keeps_what_it_acknowledged(doomed: DatabaseServer, doomed_storage: str) -> None:
    with doomed as server:
        asyncio.run(_outlive(System(doomed_storage, server.pod_dsn), server))


async def _outlive(system: System, server: DatabaseServer) -> None:
    accounts = _accounts(2)
    async with system.started() as storage:
        clients = [asyncio.create_task(a.work_until_cut_off(storage, n)) for n in range(8) for a in accounts]
        async with asyncio.timeout(60):
            while min(len(account.messages) for account in accounts) < 20:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        await asyncio.to_thread(server.kill)
        await asyncio.wait_for(asyncio.gather(*clients), 60)
        await asyncio.to_thread(server.start)
        for account in accounts:
            check(account, await storage.copy_account(account.name))
        late = await sit_down(storage, account=accounts[0].name)
        assert isinstance(await late.subscribe(QUEUE_TOPIC), Subscribed), "the pool has come back"
        assert isinstance((await late.offer())[1], Done)
    unsure = [t for t in system.transactions if t.outcome == "unknown"]
    assert len(unsure) == sum(account.unsure for account in accounts)
