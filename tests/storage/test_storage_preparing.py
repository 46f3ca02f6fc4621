"""A database that was created anew under a pod: its tables come back, and the pod goes on."""

import asyncio

import asyncpg
from storage_systems import ACCOUNT, System, new_key, sit_down

from loadtests.pod.storage.contract import Call, Preparable


def test_tables_that_are_gone_come_back(postgres_database, runner: asyncio.Runner) -> None:
    async def life() -> None:
        async with System("postgres:pessimistic", postgres_database.pod_dsn).started() as storage:
            await sit_down(storage)
            owner = await asyncpg.connect(postgres_database.pod_dsn)
            await owner.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
            await owner.close()
            assert isinstance(storage, Preparable)
            await storage.prepare()
            await storage.prepare()
            desk = await sit_down(storage)
            await storage.subscribe(Call("subscription.create", new_key(), ACCOUNT), desk.connection, "queue", 4)
            assert (await storage.statistics(0)).subscriptions == 1

    runner.run(life())
