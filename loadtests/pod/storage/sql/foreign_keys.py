"""Foreign keys that come and go while the pod works."""

import asyncio
from collections.abc import Sequence

from loadtests.pod.storage.contract import StorageConflict
from loadtests.pod.storage.sql.database import SqlDatabase, SqlSession
from loadtests.pod.storage.sql.driver import Row
from loadtests.pod.storage.sql.operations import MAINTENANCE

TABLES = ("connections", "topics", "subscriptions", "chats", "messages", "events")
"""Those that refer to others."""

ATTEMPTS = 10
PAUSE_S = 0.5
"""Between two attempts. Changing a table needs an exclusive lock: every statement that comes while it waits queues
behind it. So it waits for a second only (set in the statements) and lets the queue go before it asks again."""


async def enforce(database: SqlDatabase, wanted: bool) -> None:
    """Brings every foreign key, or removes every one; table by table, so that no two tables are kept longer than
    needed. Raises StorageConflict when one of them was never free; what was done by then stays."""
    constrained = _names(await database.read("constrained_tables"))
    for table in TABLES:
        if (table in constrained) != wanted:
            await _persist(database, table, wanted)


def _names(rows: Sequence[Row]) -> set[str]:
    return {row[0] for row in rows}


async def _persist(database: SqlDatabase, table: str, wanted: bool) -> None:
    for attempt in range(ATTEMPTS):
        try:
            return await database.write(MAINTENANCE, lambda db: _change(db, table, wanted))
        except StorageConflict as error:
            last = error
        if attempt < ATTEMPTS - 1:
            await asyncio.sleep(PAUSE_S)
    doing = "added to" if wanted else "dropped from"
    raise StorageConflict(
        f"foreign keys could not be {doing} {table}: it was in use at each of {ATTEMPTS} attempts ({last}). "
        "Ask again when its transactions are shorter"
    ) from last


async def _change(db: SqlSession, table: str, wanted: bool) -> None:
    if (table in _names(await db.rows("constrained_tables"))) != wanted:  # another pod may have been faster
        await db.run(f"{'add' if wanted else 'drop'}_foreign_keys_of_{table}")
