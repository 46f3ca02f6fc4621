"""Sessions that queue for one row in each of several databases: `python -m benchmarks._queue SECONDS SESSIONS`.

`LOADTESTS_DSNS` is a JSON list of addresses. In each database SESSIONS sessions lock the row, hold it for a random
time, release it, and pause for a random time: of four about two wait for it at any moment, of twenty nearly all. The
last line has, for each database, the seconds that its sessions waited: the time of the statement that takes the row,
less what it takes without contention.
"""

import asyncio
import json
import os
import random
import sys
import time
from statistics import median

import asyncpg
import uvloop

HOLD_S = 0.02
PAUSE_S = 0.02
TAKE = "UPDATE queue SET n = n + 1 WHERE id = $1"


class Waits:
    """Seconds that the sessions of one database waited."""

    def __init__(self, alone_s: float) -> None:
        self._alone_s = alone_s
        self.total_s = 0.0

    def add(self, took_s: float) -> None:
        self.total_s += max(took_s - self._alone_s, 0.0)


async def take(connection: asyncpg.Connection, row: int) -> float:
    begun_s = time.monotonic()
    await connection.execute(TAKE, row)
    return time.monotonic() - begun_s


async def session(connection: asyncpg.Connection, until_s: float, waits: Waits) -> None:
    while time.monotonic() < until_s:
        await connection.execute("BEGIN; SET LOCAL application_name = 'message.send@pod-1'")
        waits.add(await take(connection, 0))
        await asyncio.sleep(random.expovariate(1 / HOLD_S))
        await connection.execute("COMMIT")
        await asyncio.sleep(random.expovariate(1 / PAUSE_S))


async def database(dsn: str, seconds: float, sessions: int) -> float:
    connections = [await asyncpg.connect(dsn, server_settings={"synchronous_commit": "off"}) for _ in range(sessions)]
    await connections[0].execute(
        "CREATE TABLE IF NOT EXISTS queue (id int PRIMARY KEY, n int NOT NULL);"
        "INSERT INTO queue VALUES (0, 0), (1, 0) ON CONFLICT DO NOTHING"
    )
    waits = Waits(median([await take(connections[0], 1) for _ in range(200)]))
    until_s = time.monotonic() + seconds
    await asyncio.gather(*(session(connection, until_s, waits) for connection in connections))
    for connection in connections:
        await connection.close()
    return waits.total_s


async def main(seconds: float, sessions: int) -> None:
    dsns = json.loads(os.environ["LOADTESTS_DSNS"])
    print(json.dumps({"waited_s": await asyncio.gather(*(database(dsn, seconds, sessions) for dsn in dsns))}))


if __name__ == "__main__":
    uvloop.run(main(float(sys.argv[1]), int(sys.argv[2])))
