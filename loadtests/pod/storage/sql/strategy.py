"""What a locking strategy is: how each operation of the contract is done inside one transaction."""

from collections.abc import Sequence
from typing import Protocol

from loadtests.pod.storage.contract import (
    Accepted,
    AccountCopy,
    AlreadyAccepted,
    ConnectionRow,
    Done,
    Resumed,
    StorageRefusal,
    Subscribed,
)
from loadtests.pod.storage.sql.database import SqlSession


class Strategy(Protocol):
    """Stateless, so that another one can replace it at any time: each transaction is done by the one
    that began it. `foreign_keys`: whether it wants them in the schema."""

    name: str
    foreign_keys: bool

    async def open_connection(self, db: SqlSession, row: ConnectionRow) -> Done: ...

    async def resume_connection(
        self, db: SqlSession, connection: str, resume_token: str, silent_since_ns: int
    ) -> Resumed | StorageRefusal: ...

    async def close_connection(self, db: SqlSession, connection: str) -> Done | StorageRefusal: ...

    async def reap_connections(self, db: SqlSession, silent_since_ns: int, limit: int) -> Sequence[str]: ...

    async def subscribe(
        self, db: SqlSession, connection: str, topic: str, limit: int
    ) -> Subscribed | StorageRefusal: ...

    async def unsubscribe(self, db: SqlSession, connection: str, topic: str) -> Done | StorageRefusal: ...

    async def offer_chat(self, db: SqlSession, connection: str, chat: str, subject: str) -> Done | StorageRefusal: ...

    async def accept_chat(
        self, db: SqlSession, connection: str, chat: str
    ) -> Accepted | AlreadyAccepted | StorageRefusal: ...

    async def send_message(self, db: SqlSession, connection: str, chat: str, text: str) -> Done | StorageRefusal: ...

    async def close_chat(self, db: SqlSession, connection: str, chat: str) -> Done | StorageRefusal: ...

    async def sweep_orphans(self, db: SqlSession, silent_since_ns: int, limit: int) -> int: ...

    async def replace_account(self, db: SqlSession, copy: AccountCopy) -> None: ...
