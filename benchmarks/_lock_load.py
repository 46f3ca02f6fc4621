"""A load of small transactions on PostgreSQL: `python -m benchmarks._lock_load DSN ROWS WORKERS SECONDS RATE HOLD_MS`.

Each updates one row of `hot` and names its operation as the reference pod does; RATE 0 is unlimited. The last line is
the result.
"""

import asyncio
import json
import random
import sys
import time
from typing import NamedTuple

import asyncpg
import uvloop

TABLE = "CREATE TABLE hot (id int PRIMARY KEY, n int) WITH (fillfactor = 30)"
FILL = "INSERT INTO hot SELECT i, 0 FROM generate_series(1, 20000) AS i"


class Load(NamedTuple):
    """The parameters of each worker."""

    rows: int
    workers: int
    seconds: float
    rate: float
    hold_ms: float


async def worker(number: int, dsn: str, load: Load, until: float) -> int:
    chance, done = random.Random(number), 0
    pause_s = load.workers / load.rate if load.rate else 0.0
    connection = await asyncpg.connect(dsn, server_settings={"application_name": "idle@pod-1"})
    due = time.monotonic() + chance.random() * pause_s
    while (now := time.monotonic()) < until:
        if due > now:
            await asyncio.sleep(due - now)
        due = max(due + pause_s, now - 1)
        await connection.execute("BEGIN; SET LOCAL application_name = 'chat.accept@pod-1'")
        await connection.execute("UPDATE hot SET n = n + 1 WHERE id = $1", chance.randrange(1, load.rows + 1))
        if load.hold_ms:
            await asyncio.sleep(load.hold_ms / 1000)
        await connection.execute("COMMIT")
        done += 1
    await connection.close()
    return done


async def main() -> None:
    dsn, (rows, workers, *others) = sys.argv[1], [float(text) for text in sys.argv[2:7]]
    load = Load(int(rows), int(workers), *others)
    until = time.monotonic() + load.seconds
    done = sum(await asyncio.gather(*(worker(number, dsn, load, until) for number in range(load.workers))))
    print(json.dumps({"per_s": done / load.seconds, "done": done}))


if __name__ == "__main__":
    uvloop.run(main())
