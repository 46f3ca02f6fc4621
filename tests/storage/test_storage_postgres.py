"""The PostgreSQL storages against real blockers: who waits, what is recorded, how it ends."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest
from storage_systems import ACCOUNT, Desk, System, sit_down

from loadtests.pod.storage.contract import (
    Accepted,
    AlreadyAccepted,
    Call,
    Done,
    OutcomeUnknown,
    Storage,
    StorageConflict,
    StorageUnavailable,
    Transaction,
)
from loadtests.pod.storage.postgres import driver
from loadtests.pod.storage.postgres.driver import classify
from loadtests.pod.storage.sql.driver import OvertakenError, TryAgainError

HOLD_ACCOUNT = "SELECT account FROM accounts WHERE account = $1 FOR UPDATE"
WAITING = """
SELECT query FROM pg_stat_activity
WHERE application_name = $1 AND wait_event_type = 'Lock' AND datname = current_database()
"""


@asynccontextmanager
async def _connected(dsn: str) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(dsn)
    try:
        yield connection
    finally:
        await connection.close()


async def _chat(storage: Storage) -> tuple[Desk, Desk, str]:
    agent, customer = await sit_down(storage), await sit_down(storage, "customer", "Bob")
    return agent, customer, (await customer.offer())[0]


async def _seen_waiting(dsn: str, name: str) -> str:
    """The statement of the session of that name, once the server itself says that it waits for a lock.

    Asked by a session of its own: inside a transaction the server answers with the same picture for ever.
    """
    async with _connected(dsn) as observer, asyncio.timeout(30):
        while (query := await observer.fetchval(WAITING, name)) is None:  # noqa: ASYNC110  the server sends no notification
            await asyncio.sleep(0.01)
    return str(query)


async def test_pessimistic_accept_waits_for_the_account_in_its_times(postgres_database: Any) -> None:
    system = System("postgres:pessimistic", postgres_database.pod_dsn)
    async with system.started() as storage, _connected(postgres_database.dsn) as blocker:
        agent, _, chat = await _chat(storage)
        transaction = blocker.transaction()
        await transaction.start()
        await blocker.execute(HOLD_ACCOUNT, ACCOUNT)
        accept = asyncio.create_task(agent.accept(chat))
        query = await _seen_waiting(postgres_database.dsn, "chat.accept@pod-1")
        seen_ns = time.monotonic_ns()
        await asyncio.sleep(0.2)
        released_ns = time.monotonic_ns()
        await transaction.rollback()
        assert isinstance(await accept, Accepted)
    assert query.startswith("/* chat.accept */ SELECT")
    recorded = _last(system, "chat.accept")
    assert recorded.outcome == "committed"
    assert recorded.begun_ns < seen_ns < released_ns < recorded.ended_ns


async def test_optimistic_accept_passes_an_idle_holder_of_the_account(postgres_database: Any) -> None:
    system = System("postgres:optimistic", postgres_database.pod_dsn)
    async with system.started() as storage, _connected(postgres_database.dsn) as blocker:
        agent, customer, chat = await _chat(storage)
        transaction = blocker.transaction()
        await transaction.start()
        await blocker.execute(HOLD_ACCOUNT, ACCOUNT)
        assert isinstance(await agent.accept(chat), Accepted)
        assert isinstance(await customer.send(chat), Done)
        assert isinstance(await agent.close_chat(chat), Done)
        await transaction.rollback()
    assert {t.outcome for t in system.transactions} == {"committed"}


async def test_overtaken_optimistic_accept_begins_again(postgres_database: Any) -> None:
    system = System("postgres:optimistic", postgres_database.pod_dsn)
    async with system.started() as storage, _connected(postgres_database.dsn) as blocker:
        agent, _, chat = await _chat(storage)
        transaction = blocker.transaction()
        await transaction.start()
        await blocker.execute("UPDATE chats SET version = version + 1 WHERE id = $1", chat)
        accept = asyncio.create_task(agent.accept(chat))
        await _seen_waiting(postgres_database.dsn, "chat.accept@pod-1")
        await transaction.commit()
        assert isinstance(await accept, Accepted)
    assert [t.outcome for t in system.transactions if t.call.operation == "chat.accept"] == ["conflict", "committed"]


@pytest.mark.parametrize("strategy", ["pessimistic", "optimistic"])
async def test_lock_timeout_is_a_definite_conflict(
    postgres_database: Any, strategy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(driver.SESSION_SETTINGS, "lock_timeout", "100")
    system = System(f"postgres:{strategy}", postgres_database.pod_dsn)
    async with system.started() as storage, _connected(postgres_database.dsn) as blocker:
        agent, _, chat = await _chat(storage)
        async with blocker.transaction():
            await blocker.execute("UPDATE chats SET version = version + 1 WHERE id = $1", chat)
            with pytest.raises(StorageConflict, match="lock timeout"):
                await agent.accept(chat)
        assert _last(system, "chat.accept").outcome == "lock_timeout"
        assert isinstance(await agent.accept(chat), Accepted)


@pytest.mark.parametrize("strategy", ["pessimistic", "optimistic"])
async def test_cut_off_in_the_commit_is_unknown(postgres_database: Any, strategy: str) -> None:
    """A deferred trigger holds the COMMIT itself, and then its session is ended."""
    system = System(f"postgres:{strategy}", postgres_database.pod_dsn)
    async with system.started() as storage, _connected(postgres_database.dsn) as blocker:
        _, customer, chat = await _chat(storage)
        await blocker.execute("""
            CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN PERFORM pg_advisory_xact_lock(1); RETURN NULL; END $$;
            CREATE CONSTRAINT TRIGGER hold AFTER INSERT ON messages DEFERRABLE INITIALLY DEFERRED
            FOR EACH ROW EXECUTE FUNCTION hold();
            SELECT pg_advisory_lock(1);
        """)
        send = asyncio.create_task(customer.send(chat))
        assert await _seen_waiting(postgres_database.dsn, "message.send@pod-1") == "COMMIT"
        await blocker.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'message.send@pod-1'"
        )
        with pytest.raises(OutcomeUnknown, match="during a commit"):
            await send
        await blocker.execute("SELECT pg_advisory_unlock(1)")
        assert isinstance(await customer.send(chat), Done), "the pool has come back"
    assert [t.outcome for t in system.transactions if t.call.operation == "message.send"] == ["unknown", "committed"]


async def test_ended_session_is_unavailable_and_then_replaced(postgres_database: Any) -> None:
    system = System("postgres:pessimistic", postgres_database.pod_dsn)
    async with system.started() as storage, _connected(postgres_database.dsn) as blocker:
        agent, _, chat = await _chat(storage)
        async with blocker.transaction():
            await blocker.execute(HOLD_ACCOUNT, ACCOUNT)
            accept = asyncio.create_task(agent.accept(chat))
            await _seen_waiting(postgres_database.dsn, "chat.accept@pod-1")
            await blocker.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'chat.accept@pod-1'"
            )
            with pytest.raises(StorageUnavailable):
                await accept
        assert isinstance(await agent.accept(chat), Accepted)


async def test_cancelled_caller_leaves_its_transaction_to_end(postgres_database: Any) -> None:
    system = System("postgres:pessimistic", postgres_database.pod_dsn)
    async with system.started() as storage, _connected(postgres_database.dsn) as blocker:
        agent, _, chat = await _chat(storage)
        async with blocker.transaction():
            await blocker.execute(HOLD_ACCOUNT, ACCOUNT)
            accept = asyncio.create_task(agent.accept(chat))
            await _seen_waiting(postgres_database.dsn, "chat.accept@pod-1")
            accept.cancel()
            with pytest.raises(asyncio.CancelledError):
                await accept
        late = await sit_down(storage, name="Grace")
        assert await late.accept(chat) == AlreadyAccepted("Ada"), "who asked first was served first"
    assert [t.outcome for t in system.transactions if t.call.operation == "chat.accept"] == ["committed", "rolled_back"]


@pytest.mark.parametrize("strategy", ["pessimistic", "optimistic"])
async def test_churn_makes_no_deadlock_and_no_orphan(postgres_database: Any, strategy: str) -> None:
    system = System(f"postgres:{strategy}", postgres_database.pod_dsn)
    async with system.started() as storage, _connected(postgres_database.dsn) as observer:
        await _churn(storage)
        live = await storage.statistics(0)
        offered = await observer.fetchval("SELECT count(*) FROM chats WHERE state = 'offered'")
        counted = await observer.fetchrow("SELECT sum(connections), sum(subscriptions), sum(queue_depth) FROM accounts")
    assert live.orphans == 0
    expected = (live.connections, live.subscriptions, offered) if strategy == "pessimistic" else (0, 0, 0)
    assert tuple(counted) == expected
    others = {"conflict"} if strategy == "optimistic" else set()
    assert {t.outcome for t in system.transactions} <= {"committed", "rolled_back"} | others


async def _churn(storage: Storage) -> None:
    """Agents come, work and go in three accounts, while maintenance touches and reaps across all of them."""
    agents = [await sit_down(storage, name=f"Agent {n}", account=f"account-{n % 3:04}") for n in range(12)]
    customers = [await sit_down(storage, "customer", f"C {n}", account=f"account-{n % 3:04}") for n in range(6)]

    async def work(agent: Desk, number: int) -> None:
        for n in range(4):
            await agent.subscribe(f"agent/topic-{n}")
            chat, _ = await customers[number % 6].offer()
            await agent.accept(chat)
            await agent.unsubscribe(f"agent/topic-{n}") if n % 2 else await agent.close_chat(chat)
        if number % 3 == 0:
            await agent.leave()

    async def maintain() -> None:
        for _ in range(6):
            await storage.touch_connections([a.connection for a in reversed(agents)], time.time_ns())
            await storage.reap_connections(Call("maintenance", "", ""), time.time_ns() + 10**12, 1)

    await asyncio.gather(maintain(), *(work(agent, n) for n, agent in enumerate(agents)))


def _last(system: System, operation: str) -> Transaction:
    return [t for t in system.transactions if t.call.operation == operation][-1]


@pytest.mark.parametrize(
    ("error", "committing", "outcome", "kind"),
    [
        (asyncpg.DeadlockDetectedError("x"), False, "deadlock", TryAgainError),
        (asyncpg.SerializationError("x"), True, "conflict", TryAgainError),
        (OvertakenError("x"), False, "conflict", OvertakenError),
        (asyncpg.LockNotAvailableError("x"), False, "lock_timeout", StorageConflict),
        (ConnectionResetError("x"), False, "rolled_back", StorageUnavailable),
        (ConnectionResetError("x"), True, "unknown", OutcomeUnknown),
        (asyncpg.AdminShutdownError("x"), True, "unknown", OutcomeUnknown),
        (asyncpg.QueryCanceledError("x"), False, "rolled_back", StorageUnavailable),
        (asyncpg.DiskFullError("x"), False, "rolled_back", StorageUnavailable),
        (asyncio.CancelledError(), True, "unknown", OutcomeUnknown),
        (asyncio.CancelledError(), False, "rolled_back", type(None)),
        (ZeroDivisionError("x"), False, "rolled_back", type(None)),
    ],
)
def test_what_errors_mean(error: BaseException, committing: bool, outcome: str, kind: type) -> None:
    found = classify(error, committing)
    assert found[0] == outcome
    assert type(found[1]) is kind
