"""A process that writes to a storage until it is killed, and says line by line what was committed.

`python storage_writer.py STORAGE`, DSNs in the variables that a pod takes them from.
Lines: `subscription TOPIC`, `chat KEY`, `message KEY`.
"""

import asyncio
import os
import sys

from storage_systems import System, sit_down

from loadtests import storagenames


async def write(name: str) -> None:
    dsns = {database: os.environ[storagenames.dsn_variable(database)] for database in storagenames.databases(name)}
    storage = System(name, dsns=dsns).open()
    await storage.start()
    agent = await sit_down(storage)
    customer = await sit_down(storage, "customer", "Bob")
    report("connection", agent.connection)
    for n in range(10_000):
        await agent.subscribe(f"agent/topic-{n}", limit=1_000_000)
        report("subscription", f"agent/topic-{n}")
        chat, _ = await customer.offer()
        await agent.accept(chat)
        report("chat", chat)
        await customer.send(chat)
        report("message", chat)


def report(what: str, which: str) -> None:
    sys.stdout.write(f"{what} {which}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(write(sys.argv[1]))
