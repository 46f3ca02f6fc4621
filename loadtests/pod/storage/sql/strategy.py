"""What a locking strategy is: how each operation of the contract is done inside one transaction."""

from collections.abc import Sequence
from typing import Protocol

from loadtests.pod.storage.contract import (
    Accepted,
    AccountCopy,
    AlreadyAccepted,
    ConnectionRow,
    Done,
    Refusal,
    Resumed,
    Subscribed,
)
from loadtests.pod.storage.sql.database import Session


class Strategy(Protocol):
    """Without state of its own, so that another one can take over at any moment: each transaction is done by the one
    that began it. `foreign_keys`: whether it wants them in the schema."""

    name: str
    foreign_keys: bool

    async def open_connection(self, db: Session, row: ConnectionRow) -> Done: ...

    async def resume_connection(
        self, db: Session, connection: str, resume_token: str, silent_since_ns: int
    ) -> Resumed | Refusal: ...

    async def close_connection(self, db: Session, connection: str) -> Done | Refusal: ...

    async def reap_connections(self, db: Session, silent_since_ns: int, limit: int) -> Sequence[str]: ...

    async def subscribe(self, db: Session, connection: str, topic: str, limit: int) -> Subscribed | Refusal: ...

    async def unsubscribe(self, db: Session, connection: str, topic: str) -> Done | Refusal: ...

    async def offer_chat(self, db: Session, connection: str, chat: str, subject: str) -> Done | Refusal: ...

    async def accept_chat(self, db: Session, connection: str, chat: str) -> Accepted | AlreadyAccepted | Refusal: ...

    async def send_message(self, db: Session, connection: str, chat: str, text: str) -> Done | Refusal: ...

    async def close_chat(self, db: Session, connection: str, chat: str) -> Done | Refusal: ...

    async def sweep_orphans(self, db: Session, silent_since_ns: int, limit: int) -> int: ...

    async def replace_account(self, db: Session, copy: AccountCopy) -> None: ...
