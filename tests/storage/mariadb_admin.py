"""Another client of the pod's MariaDB: a superuser that observes, holds rows and ends sessions."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import asyncmy


@dataclass(frozen=True)
class Admin:
    """`dsn`: the superuser's, with the database."""

    dsn: str

    @property
    def database(self) -> str:
        return urlsplit(self.dsn).path.lstrip("/")

    async def connect(self) -> Any:
        at = urlsplit(self.dsn)
        return await asyncmy.connect(
            host=at.hostname,
            port=at.port,
            user=at.username,
            password=at.password,
            database=self.database,
            autocommit=True,
        )

    async def execute(self, sql: str, *values: Any) -> Sequence[Sequence[Any]]:
        """In a session of its own."""
        connection = await self.connect()
        try:
            cursor = connection.cursor()
            await cursor.execute(sql, values)
            rows: Sequence[Sequence[Any]] = await cursor.fetchall()
            return rows
        finally:
            connection.close()

    @asynccontextmanager
    async def holding(self, sql: str, *values: Any) -> AsyncIterator[Any]:
        """A transaction that has done this and goes no further until the end of the block."""
        blocker = await self.connect()
        await blocker.begin()
        await blocker.cursor().execute(sql, values)
        try:
            yield blocker
        finally:
            await blocker.rollback()
            blocker.close()
