"""Transactions as the pod makes them, from many sessions at once: `python -m benchmarks._transactions SECONDS RATE`.

`LOADTESTS_DSN` is the database's address. RATE transactions are begun each second, or as many as there can be where it
is 0. Most change a row of their own; one in twenty changes one row that all of those want. The last line says how many
were done, and in how many seconds. Commits do not wait for the disk, whose pace is not what is measured.
"""

import asyncio
import json
import os
import random
import sys
import time

import asyncpg
import uvloop

SESSIONS = 16
ROWS = 1000
HOT = 0.05


async def prepare(connection: asyncpg.Connection) -> None:
    await connection.execute(
        "CREATE TABLE IF NOT EXISTS work (id int PRIMARY KEY, n int NOT NULL);"
        f"INSERT INTO work SELECT id, 0 FROM generate_series(0, {ROWS}) AS id ON CONFLICT DO NOTHING"
    )


async def transaction(connection: asyncpg.Connection) -> None:
    row = 0 if random.random() < HOT else random.randint(1, ROWS)
    await connection.execute("BEGIN; SET LOCAL application_name = 'message.send@pod-1'")
    await connection.fetch("/* message.send */ SELECT n FROM work WHERE id = $1 FOR UPDATE", row)
    await connection.execute("/* message.send */ UPDATE work SET n = n + 1 WHERE id = $1", row)
    await connection.execute("COMMIT")


async def work(connection: asyncpg.Connection, until_s: float, every_s: float) -> int:
    done, due_s = 0, time.monotonic() + random.random() * every_s
    while (now_s := time.monotonic()) < until_s:
        if due_s > now_s:
            await asyncio.sleep(due_s - now_s)
        await transaction(connection)
        done, due_s = done + 1, due_s + every_s
    return done


async def main(seconds: float, rate: float) -> None:
    dsn = os.environ["LOADTESTS_DSN"]
    connections = [await asyncpg.connect(dsn, server_settings={"synchronous_commit": "off"}) for _ in range(SESSIONS)]
    await prepare(connections[0])
    every_s = SESSIONS / rate if rate else 0.0
    started_s = time.monotonic()
    done = await asyncio.gather(*(work(c, started_s + seconds, every_s) for c in connections))
    took_s = time.monotonic() - started_s
    print(json.dumps({"transactions": sum(done), "seconds": took_s}))
    for connection in connections:
        await connection.close()


if __name__ == "__main__":
    uvloop.run(main(float(sys.argv[1]), float(sys.argv[2])))
