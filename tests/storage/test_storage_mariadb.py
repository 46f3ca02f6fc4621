"""The MariaDB storages against real blockers: who waits, what is recorded, how it ends."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from asyncmy import errors
from mariadb_admin import Admin
from storage_systems import ACCOUNT, Desk, System, sit_down

from loadtests.pod.storage.contract import (
    Accepted,
    AlreadyAccepted,
    Call,
    Done,
    OutcomeUnknown,
    Storage,
    StorageConflict,
    StorageError,
    StorageUnavailable,
    Subscribed,
    Transaction,
)
from loadtests.pod.storage.mariadb import connection, driver
from loadtests.pod.storage.mariadb.errors import classify
from loadtests.pod.storage.sql.driver import OvertakenError, TryAgainError

HOLD_ACCOUNT = "SELECT account FROM accounts WHERE account = %s FOR UPDATE"
HOLD_CHAT = "UPDATE chats SET version = version + 1 WHERE id = %s"
SESSION = "SELECT id, state, info FROM information_schema.processlist WHERE info LIKE %s AND db = %s"
SESSIONS = "SELECT id FROM information_schema.processlist WHERE db = %s AND user = 'pod'"
LOCK_WAITS = "SELECT count(*) FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT' AND trx_query LIKE %s"

On = Callable[[str], System]


@pytest.fixture
def admin(mariadb_database: Any) -> Admin:
    return Admin(mariadb_database.dsn)


@pytest.fixture
def on(mariadb_database: Any) -> On:
    """Locking → a storage system on the test's database."""
    return lambda locking: System(f"mariadb:{locking}", mariadb_database.pod_dsn)


async def _chat(storage: Storage) -> tuple[Desk, Desk, str]:
    agent, customer = await sit_down(storage), await sit_down(storage, "customer", "Bob")
    return agent, customer, (await customer.offer())[0]


async def _seen_waiting(admin: Admin, label: str) -> tuple[int, str]:
    """Session and statement, once the server itself says that it waits for a row."""
    async with asyncio.timeout(30):
        while not (await admin.execute(LOCK_WAITS, f"/* {label} */%"))[0][0]:  # noqa: ASYNC110
            await asyncio.sleep(0.15)  # InnoDB's tables are renewed no sooner
    session, _, statement = (await admin.execute(SESSION, f"/* {label} */%", admin.database))[0]
    return session, statement


async def _seen_committing(admin: Admin, label: str) -> int:
    """The session whose COMMIT waits."""
    async with asyncio.timeout(30):
        while not (found := await admin.execute(SESSION, f"/* {label} */ COMMIT", admin.database)):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    return int(found[0][0])


async def test_pessimistic_accept_waits_for_the_account_in_its_times(on: On, admin: Admin) -> None:
    system = on("pessimistic")
    async with system.started() as storage:
        agent, _, chat = await _chat(storage)
        async with admin.holding(HOLD_ACCOUNT, ACCOUNT):
            accept = asyncio.create_task(agent.accept(chat))
            session, query = await _seen_waiting(admin, "chat.accept@pod-1")
            seen_ns = time.monotonic_ns()
            await asyncio.sleep(0.2)
            released_ns = time.monotonic_ns()
        assert isinstance(await accept, Accepted)
    assert query.startswith("/* chat.accept@pod-1 */ SELECT connections, subscriptions, queue_depth FROM accounts")
    recorded = _last(system, "chat.accept")
    assert (recorded.outcome, recorded.session) == ("committed", session)
    assert recorded.begun_ns < seen_ns < released_ns < recorded.ended_ns


async def test_accept_without_the_accounts_lock_passes_its_holder(on: On, admin: Admin) -> None:
    """Without foreign keys nothing asks for the account's row; with them, a new chat's row does."""
    async with on("none").started() as storage:
        agent, customer, chat = await _chat(storage)
        async with admin.holding(HOLD_ACCOUNT, ACCOUNT):
            assert isinstance(await agent.accept(chat), Accepted)
            assert isinstance(await customer.send(chat), Done)
            assert isinstance(await agent.close_chat(chat), Done)
            assert isinstance((await customer.offer())[1], Done)


async def test_overtaken_optimistic_accept_begins_again(on: On, admin: Admin) -> None:
    system = on("optimistic")
    async with system.started() as storage:
        agent, _, chat = await _chat(storage)
        async with admin.holding(HOLD_CHAT, chat) as blocker:
            accept = asyncio.create_task(agent.accept(chat))
            await _seen_waiting(admin, "chat.accept@pod-1")
            await blocker.commit()
            assert isinstance(await accept, Accepted)
    assert [t.outcome for t in system.transactions if t.call.operation == "chat.accept"] == ["conflict", "committed"]


@pytest.mark.parametrize("locking", ["pessimistic", "optimistic", "none"])
async def test_lock_timeout_is_a_definite_conflict(
    on: On, admin: Admin, locking: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(connection.SESSION_SETTINGS, "innodb_lock_wait_timeout", "1")
    system = on(locking)
    async with system.started() as storage:
        agent, _, chat = await _chat(storage)
        async with admin.holding(HOLD_CHAT, chat):
            with pytest.raises(StorageConflict, match="Lock wait timeout"):
                await agent.accept(chat)
        assert _last(system, "chat.accept").outcome == "lock_timeout"
        assert isinstance(await agent.accept(chat), Accepted)


async def test_statement_that_takes_too_long_is_ended(on: On, admin: Admin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(connection.SESSION_SETTINGS, "max_statement_time", "0.2")
    system = on("pessimistic")
    async with system.started() as storage:
        agent, _, chat = await _chat(storage)
        async with admin.holding(HOLD_CHAT, chat):
            with pytest.raises(StorageUnavailable, match="max_statement_time"):
                await agent.accept(chat)
        assert isinstance(await agent.accept(chat), Accepted)


@pytest.mark.parametrize("locking", ["pessimistic", "optimistic", "none"])
async def test_cut_off_in_the_commit_is_unknown(on: On, admin: Admin, locking: str) -> None:
    """A backup holds the COMMIT itself, and then its session is ended."""
    system = on(locking)
    async with system.started() as storage:
        _, customer, chat = await _chat(storage)
        backup = await admin.connect()
        for stage in ("START", "BLOCK_COMMIT"):
            await backup.cursor().execute(f"BACKUP STAGE {stage}")
        send = asyncio.create_task(customer.send(chat))
        session = await _seen_committing(admin, "message.send@pod-1")
        await admin.execute(f"KILL CONNECTION {session}")
        with pytest.raises(OutcomeUnknown, match="during a commit"):
            await send
        await backup.cursor().execute("BACKUP STAGE END")
        backup.close()
        assert isinstance(await customer.send(chat), Done), "the pool has come back"
    assert [t.outcome for t in system.transactions if t.call.operation == "message.send"] == ["unknown", "committed"]


async def test_ended_session_is_unavailable_and_then_replaced(on: On, admin: Admin) -> None:
    async with on("pessimistic").started() as storage:
        agent, _, chat = await _chat(storage)
        async with admin.holding(HOLD_ACCOUNT, ACCOUNT):
            accept = asyncio.create_task(agent.accept(chat))
            session, _ = await _seen_waiting(admin, "chat.accept@pod-1")
            await admin.execute(f"KILL CONNECTION {session}")
            with pytest.raises(StorageUnavailable):
                await accept
        assert isinstance(await agent.accept(chat), Accepted)


async def test_idle_sessions_that_were_ended_are_not_used_again(on: On, admin: Admin) -> None:
    system = on("pessimistic")
    async with system.started() as storage:
        agents = [await sit_down(storage, name=f"Agent {n}") for n in range(6)]
        await asyncio.gather(*(agent.subscribe("queue") for agent in agents))
        for (session,) in await admin.execute(SESSIONS, admin.database):
            await admin.execute(f"KILL CONNECTION {session}")
        async with asyncio.timeout(30):
            while await admin.execute(SESSIONS, admin.database):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        await asyncio.gather(*(agent.subscribe("agent/ada") for agent in agents))
    assert {t.outcome for t in system.transactions} == {"committed"}


async def test_cancelled_caller_leaves_its_transaction_to_end(on: On, admin: Admin) -> None:
    system = on("pessimistic")
    async with system.started() as storage:
        agent, _, chat = await _chat(storage)
        async with admin.holding(HOLD_ACCOUNT, ACCOUNT):
            accept = asyncio.create_task(agent.accept(chat))
            await _seen_waiting(admin, "chat.accept@pod-1")
            accept.cancel()
            with pytest.raises(asyncio.CancelledError):
                await accept
        late = await sit_down(storage, name="Grace")
        assert await late.accept(chat) == AlreadyAccepted("Ada"), "who asked first was served first"
    assert [t.outcome for t in system.transactions if t.call.operation == "chat.accept"] == ["committed", "rolled_back"]


async def test_a_cancelled_read_drops_its_session(on: On, admin: Admin) -> None:
    async with on("pessimistic").started() as storage:
        await sit_down(storage)
        locker = await admin.connect()
        await locker.cursor().execute("LOCK TABLES connections WRITE, subscriptions WRITE, chats WRITE, messages WRITE")
        reading = [asyncio.create_task(storage.statistics(0)) for _ in range(3)]
        async with asyncio.timeout(30):
            while not await admin.execute(SESSION, "/* read@pod-1 */%", admin.database):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        for read in reading:
            read.cancel()
        await asyncio.gather(*reading, return_exceptions=True)
        locker.close()
        for _ in range(10):
            assert (await storage.statistics(0)).connections == 1


@pytest.mark.parametrize("locking", ["pessimistic", "optimistic", "none"])
async def test_churn_ends_and_leaves_what_it_should(on: On, locking: str) -> None:
    """Agents come, work and go in three accounts, while maintenance touches, reaps and sweeps across all of them."""
    system = on(locking)
    async with system.started() as storage:
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
                await storage.sweep_orphans(Call("maintenance", "", ""), 0, 10)

        await asyncio.gather(maintain(), *(work(agent, n) for n, agent in enumerate(agents)))
        live = await storage.statistics(0)
    assert live.orphans == 0 or locking == "none"
    outcomes = {t.outcome for t in system.transactions}
    assert outcomes <= {"committed", "rolled_back", "conflict", "deadlock"}


async def test_counts_on_the_account_are_true(on: On, admin: Admin) -> None:
    async with on("pessimistic").started() as storage:
        agent, customer, chat = await _chat(storage)
        await customer.offer()
        await agent.accept(chat)
        await agent.subscribe("queue")
        await customer.leave()
        counted = "SELECT connections, subscriptions, queue_depth FROM accounts"
        assert [tuple(row) for row in await admin.execute(counted)] == [(1, 1, 1)]
        await storage.replace_account(agent.call("maintenance"), await storage.copy_account(ACCOUNT))
        assert [tuple(row) for row in await admin.execute(counted)] == [(1, 1, 1)]


async def test_texts_are_compared_byte_by_byte(on: On) -> None:
    async with on("pessimistic").started() as storage:
        agent = await sit_down(storage)
        for topic in ("a", "A", "a ", "ä", "🎈"):
            assert await agent.subscribe(topic) == Subscribed(0)
        assert (await storage.statistics(0)).subscriptions == 5
        assert await storage.events_after(ACCOUNT.upper(), "queue", 0, 9) == []


async def test_missing_session_is_reported(on: On, admin: Admin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driver, "POOL_SIZE", 2)
    monkeypatch.setattr(driver, "TAKE_TIMEOUT_S", 0.2)
    async with on("pessimistic").started() as storage:
        agent, _, chat = await _chat(storage)
        async with admin.holding(HOLD_ACCOUNT, ACCOUNT):
            waiting = [asyncio.create_task(agent.accept(chat)) for _ in range(2)]
            await _seen_waiting(admin, "chat.accept@pod-1")
            with pytest.raises(StorageUnavailable, match=r"no free MariaDB session within 0\.2 s"):
                await agent.leave()
        await asyncio.gather(*waiting)
        assert await agent.leave() == Done(), "a caller that gave up kept no session"


async def test_too_many_connections_is_unavailable(on: On, admin: Admin) -> None:
    system = on("pessimistic")
    async with system.started() as storage:
        agent, _, chat = await _chat(storage)
        ((before,),) = await admin.execute("SELECT @@max_connections")
        await admin.execute("SET GLOBAL max_connections = 10")
        others = await _as_many_as_there_may_be(Admin(system.dsn or ""))
        try:
            answers = await asyncio.gather(*(agent.send(chat, str(n)) for n in range(8)), return_exceptions=True)
        finally:
            for other in others:
                other.close()
            await admin.execute("SET GLOBAL max_connections = %s", before)
        refused = [answer for answer in answers if isinstance(answer, StorageError)]
        assert all(isinstance(r, StorageUnavailable) and "Too many connections (1040)" in str(r) for r in refused)
        assert refused
        assert isinstance(await agent.send(chat), Done)


async def _as_many_as_there_may_be(pod: Admin) -> list[Any]:
    sessions: list[Any] = []
    with suppress(errors.OperationalError):
        while True:
            sessions.append(await pod.connect())
    return sessions


@pytest.mark.parametrize(
    "dsn", ["mariadb://pod:aGVs/bG8=@127.0.0.1/pod", "mysql://pod:hush@127.0.0.1/pod", "mariadb://pod:hush@127.0.0.1"]
)
async def test_an_address_that_cannot_be_read_gives_no_piece_of_its_password_away(dsn: str) -> None:
    with pytest.raises(StorageUnavailable, match="is not a MariaDB URL") as refused:
        await System("mariadb", dsn).open().start()
    message = f"{refused.value} {refused.value.__cause__}"
    assert not any(piece in message for piece in ("aGVs", "bG8", "hush"))


@pytest.mark.parametrize("version", ["10.5.29-MariaDB-0+deb11u1", "8.0.36", ""])
def test_a_server_that_cannot_do_it_is_refused(version: str) -> None:
    with pytest.raises(StorageUnavailable, match=r"MariaDB 10\.6 or newer is needed"):
        driver._check(version)
    driver._check("10.6.0-MariaDB")
    driver._check("11.4.2-MariaDB-log")


def _last(system: System, operation: str) -> Transaction:
    return [t for t in system.transactions if t.call.operation == operation][-1]


@pytest.mark.parametrize(
    ("error", "committing", "outcome", "kind"),
    [
        (errors.OperationalError(1213, "x"), False, "deadlock", TryAgainError),
        (errors.OperationalError(1020, "x"), False, "conflict", TryAgainError),
        (errors.IntegrityError(1062, "x"), True, "conflict", TryAgainError),
        (errors.OperationalError(1412, "x"), False, "conflict", TryAgainError),
        (OvertakenError("x"), False, "conflict", OvertakenError),
        (errors.OperationalError(1205, "x"), False, "lock_timeout", StorageConflict),
        (errors.IntegrityError(1452, "x"), False, "rolled_back", StorageError),
        (ConnectionResetError("x"), False, "rolled_back", StorageUnavailable),
        (ConnectionResetError("x"), True, "unknown", OutcomeUnknown),
        (errors.OperationalError(2013, "x"), True, "unknown", OutcomeUnknown),
        (errors.OperationalError(2006, "x"), False, "rolled_back", StorageUnavailable),
        (errors.OperationalError(1927, "x"), True, "unknown", OutcomeUnknown),
        (errors.OperationalError(1053, "x"), True, "unknown", OutcomeUnknown),
        (errors.InterfaceError(0, "Not connected"), True, "unknown", OutcomeUnknown),
        (errors.InternalError("Packet sequence number wrong"), True, "unknown", OutcomeUnknown),
        (errors.OperationalError(1969, "x"), False, "rolled_back", StorageUnavailable),
        (errors.OperationalError(1040, "x"), False, "rolled_back", StorageUnavailable),
        (errors.OperationalError(1114, "x"), False, "rolled_back", StorageUnavailable),
        (asyncio.CancelledError(), True, "unknown", OutcomeUnknown),
        (asyncio.CancelledError(), False, "rolled_back", type(None)),
        (errors.ProgrammingError(1064, "x"), False, "rolled_back", type(None)),
        (ZeroDivisionError("x"), False, "rolled_back", type(None)),
    ],
)
def test_what_errors_of_mariadb_mean(error: BaseException, committing: bool, outcome: str, kind: type) -> None:
    found = classify(error, committing)
    assert found[0] == outcome
    assert type(found[1]) is kind
