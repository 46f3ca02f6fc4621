"""The short form on real servers: it passes, leaves nothing behind, and finds out an observer that is wrong."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from availability import unavailable

from loadtests.calibration import postgres as calibration_postgres
from loadtests.calibration import sessionholds
from loadtests.calibration.calibrating import Calibration, CalibrationTarget
from loadtests.calibration.contract import HeldWaits, HoldContext, calibration_of, hold, plan
from loadtests.calibration.figures import Figure
from loadtests.calibration.mariadb import MariadbHoldServer
from loadtests.calibration.plan import PlannedHold, S
from loadtests.calibration.sessionholds import Ready, ServerSilent, until
from loadtests.calibration.timekeeping import Timekeeper
from loadtests.records.rundirectory import RunDirectory
from loadtests.servers.contract import DatabaseServer, ServerUnavailable
from loadtests.servers.registry import create_server

OBJECTS = "SELECT n.nspname, c.relname FROM pg_namespace n LEFT JOIN pg_class c ON c.relnamespace = n.oid ORDER BY 1, 2"

STANDBYS = "SELECT setting FROM pg_settings WHERE name = 'synchronous_standby_names'"


async def at_once() -> None:
    """No observer has to start."""


def calibrate(database: CalibrationTarget, scratch: Path) -> dict[str, Figure]:
    """By figure."""
    found = asyncio.run(Calibration([database], "short", scratch, lambda _: None).make())
    return {figure.figure: figure for figure in found}


async def ask(dsn: str, statement: str) -> list[Any]:
    connection = await asyncpg.connect(dsn)
    try:
        return list(await connection.fetch(statement))
    finally:
        await connection.close()


def ask_mariadb(dsn: str, statement: str) -> Any:
    async def asked() -> Any:
        holds = MariadbHoldServer(dsn)
        connection = await holds._connect()
        async with connection.cursor() as cursor:
            await cursor.execute(statement)
            return await cursor.fetchall()

    return asyncio.run(asked())


def verdicts(found: dict[str, Figure]) -> dict[str, str]:
    return {name: figure.verdict for name, figure in found.items()}


def summary(found: dict[str, Figure]) -> str:
    return "\n".join(map(str, found.values()))


@pytest.mark.alone
@pytest.mark.server
def test_postgres_passes_and_is_left_as_it_was(postgres_database, tmp_path):
    before = asyncio.run(ask(postgres_database.dsn, OBJECTS))
    found = calibrate(
        CalibrationTarget("upgraded", "postgres", postgres_database.dsn, postgres_database.pod_dsn), tmp_path
    )
    assert set(verdicts(found).values()) == {"pass"}, summary(found)
    assert {"waits found", "total recovered", "wait error p95", "blocker right", "root right"} == set(found)
    assert {figure.database for figure in found.values()} == {"upgraded"}
    assert found["waits found"].n >= 20
    assert asyncio.run(ask(postgres_database.dsn, OBJECTS)) == before


@pytest.mark.alone
@pytest.mark.server
@pytest.mark.parametrize("own_server", ["postgres"], indirect=True)
def test_the_lock_of_notifications_is_held_and_the_server_s_settings_are_as_before(own_server, tmp_path, monkeypatch):
    holds = (S(3, "notify", 0.05), S(2, "notify", 0.2, 2), S(1, "notify", 0.1, ending="timed_out"))
    own = replace(calibration_of("postgres"), plans={"short": holds})
    monkeypatch.setattr(calibration_postgres, "CALIBRATION", own)
    found = calibrate(CalibrationTarget("postgres", "postgres", own_server.dsn, own_server.pod_dsn), tmp_path)
    assert set(verdicts(found).values()) == {"pass"}, summary(found)
    assert (found["waits found"].n, found["waits found"].value) == (8, 1), summary(found)
    rows = [row for batch in RunDirectory(tmp_path / "first").batches("lock_waits") for row in batch.to_pylist()]
    assert {row["object"] for row in rows} == {"commit of NOTIFY"}
    assert asyncio.run(ask(own_server.dsn, STANDBYS)) == [("",)]


@pytest.mark.server
@pytest.mark.parametrize("own_server", ["postgres"], indirect=True)
def test_a_hold_of_the_lock_of_notifications_that_is_called_off_is_over(own_server, tmp_path):
    async def stuck() -> bool:
        return bool(await ask(own_server.dsn, "SELECT FROM pg_stat_activity WHERE wait_event = 'SyncRep'"))

    async def over() -> bool:
        return not await stuck()

    async def called_off() -> None:
        context = HoldContext(own_server.pod_dsn, own_server.dsn, tmp_path, Timekeeper(0), at_once)
        task = asyncio.create_task(hold("postgres", context, [PlannedHold(0, "notify", 600)]))
        await until(stuck)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await until(over)

    asyncio.run(called_off())
    assert asyncio.run(ask(own_server.dsn, STANDBYS)) == [("",)]
    assert not [row for row in asyncio.run(ask(own_server.pod_dsn, OBJECTS)) if "calibration" in row["nspname"]]


@pytest.mark.alone
@pytest.mark.server
def test_postgres_that_does_not_log_its_waits_fails(postgres_database, tmp_path):
    silent = f"{postgres_database.dsn}?log_lock_waits=off"  # of these sessions alone, which no observer can know
    found = calibrate(CalibrationTarget("postgres", "postgres", postgres_database.dsn, silent), tmp_path)
    assert found["waits found"].source == "event"
    assert "fail" in verdicts(found).values(), summary(found)


@pytest.mark.alone
@pytest.mark.server
def test_mariadb_passes_and_is_left_as_it_was(mariadb_database, tmp_path):
    found = calibrate(CalibrationTarget("mariadb", "mariadb", mariadb_database.dsn, mariadb_database.pod_dsn), tmp_path)
    assert set(verdicts(found).values()) == {"pass"}, summary(found)
    assert found["blocker right"].n >= 3
    assert not ask_mariadb(mariadb_database.pod_dsn, "SHOW TABLES")


@pytest.mark.alone
def test_sqlite_passes_and_leaves_no_file(tmp_path):
    found = calibrate(CalibrationTarget("sqlite", "sqlite", "", ""), tmp_path)
    assert set(verdicts(found).values()) == {"pass"}, summary(found)
    assert found["total recovered"].source == "pod"
    assert [path for path in tmp_path.rglob("*") if not path.is_dir()] == []


def test_a_database_that_is_not_there_is_unknown(tmp_path):
    dsn = "postgresql://nobody:s3cret@127.0.0.1:1/none"
    found = calibrate(CalibrationTarget("postgres", "postgres", dsn, dsn), tmp_path)
    assert verdicts(found) == {"waits found": "unknown"}
    assert "s3cret" not in str([asdict(figure) for figure in found.values()])


@pytest.fixture(params=["postgres", "mariadb"])
def own_server(request, tmp_path) -> Iterator[DatabaseServer]:
    """One that may be stopped."""
    try:
        server = create_server(request.param, tmp_path / "server")
    except ServerUnavailable as error:
        unavailable(str(error))
    with server:
        yield server
        server.resume()


@pytest.mark.server
def test_a_server_that_hangs_is_not_waited_for(own_server, tmp_path):
    own_server.pause()
    found = calibrate(CalibrationTarget("db", own_server.engine, own_server.dsn, own_server.pod_dsn), tmp_path)
    assert verdicts(found) == {"waits found": "unknown"}
    assert found["waits found"].reason == str(ServerSilent())


@pytest.mark.server
def test_a_server_that_hangs_amid_the_holds_is_left_and_can_be_calibrated_when_it_is_back(own_server, tmp_path):
    async def hangs() -> None:
        own_server.pause()

    def made(ready: Ready, holds: Sequence[PlannedHold]) -> HeldWaits:
        context = HoldContext(own_server.pod_dsn, own_server.dsn, tmp_path, Timekeeper(0), ready)
        return asyncio.run(hold(own_server.engine, context, holds))

    holds = plan(own_server.engine, "short")
    with pytest.raises(ExceptionGroup) as raised:
        made(hangs, holds)
    assert raised.value.subgroup(ServerSilent)
    own_server.resume()
    assert len(made(at_once, holds[:2]).waits) == sum(hold.waiters for hold in holds[:2])


@pytest.mark.server
@pytest.mark.parametrize("engine", ["postgres", "mariadb"])
def test_asking_whether_the_server_answers_is_in_no_hold_s_way(engine, request, tmp_path, monkeypatch):
    monkeypatch.setattr(sessionholds, "_CHECKED_EVERY_S", 0)
    database = request.getfixturevalue(f"{engine}_database")
    context = HoldContext(database.pod_dsn, database.dsn, tmp_path, Timekeeper(0), at_once)
    holds = [PlannedHold(n, "row", 0.005, 2) for n in range(20)]
    made = asyncio.run(asyncio.wait_for(hold(engine, context, holds), 60))
    assert len(made.waits) == 40


@pytest.mark.server
@pytest.mark.parametrize("engine", ["postgres", "mariadb"])
def test_holds_that_are_called_off_are_dropped(engine, request, tmp_path):
    database = request.getfixturevalue(f"{engine}_database")

    async def called_off() -> None:
        ready = asyncio.Event()

        async def begun() -> None:
            ready.set()

        clock = Timekeeper(0)
        context = HoldContext(database.pod_dsn, database.dsn, tmp_path, clock, begun)
        task = asyncio.create_task(hold(engine, context, plan(engine, "short")))
        await ready.wait()
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(called_off())
    if engine == "postgres":
        found = asyncio.run(ask(database.dsn, OBJECTS))
        assert not [row for row in found if "calibration" in row["nspname"]]
    else:
        assert not ask_mariadb(database.pod_dsn, "SHOW TABLES")
