"""Compare and set: read without locks, then write only where what was read still holds; else begin again.

A transaction writes the connection or the chat that it was decided on, under the version that it read, and numbers
its events last. Row locks last from a write to the commit, in the order connection, chat, chat's topic, queue.
"""

import time

from loadtests.pod.storage.rules import ChatState, Speaker
from loadtests.pod.storage.sql.driver import TransactionSession
from loadtests.pod.storage.sql.unlocked import Unlocked, if_held


class Optimistic(Unlocked):
    """Nothing is counted on the account's row, so that transactions do not conflict there."""

    name = "optimistic"
    foreign_keys = True

    async def _close(self, db: TransactionSession, connection: str, version: int) -> int:
        return if_held(await db.run("close_unchanged_connection", connection, version, time.time_ns()))

    async def _reap(self, db: TransactionSession, connection: str, version: int, silent_since_ns: int) -> int:
        return await db.run("reap_unchanged_connection", connection, version, time.time_ns(), silent_since_ns)

    async def _claim_connection(self, db: TransactionSession, speaker: Speaker) -> None:
        if_held(await db.run("claim_connection", speaker.connection, speaker.version))

    async def _claim_chat(self, db: TransactionSession, chat: str, found: ChatState) -> None:
        """So that no message follows the chat's end."""
        if_held(await db.run("claim_chat", db.account, chat, found.version))

    async def _accept(self, db: TransactionSession, connection: str, chat: str, found: ChatState) -> None:
        if_held(await db.run("accept_unchanged_chat", db.account, chat, found.version, connection, time.time_ns()))

    async def _close_chat(self, db: TransactionSession, chat: str, found: ChatState) -> None:
        if_held(await db.run("close_unchanged_chat", db.account, chat, found.version, time.time_ns()))
