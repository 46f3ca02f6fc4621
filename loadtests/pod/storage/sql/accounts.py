"""An account carried over whole: everything of it read, and everything of it replaced. The caller begins and ends
the transaction."""

import time
from dataclasses import astuple

from loadtests.pod.storage.contract import AccountCopy
from loadtests.pod.storage.copies import ROWS, account_copy
from loadtests.pod.storage.sql.database import SqlSession


async def copy_account(db: SqlSession) -> AccountCopy:
    return account_copy(db.account, {field: await db.rows(f"copy_{field}", db.account) for field in ROWS})


async def replace_account(db: SqlSession, copy: AccountCopy) -> None:
    account = copy.account
    await db.run("add_account", account)
    await db.rows("hold_topics", account)
    for leaf in ("events", "messages", "subscriptions"):
        await db.run(f"clear_{leaf}", account)
    await _replace_referred(db, copy)
    await db.run_many("put_subscription", [(account, *row) for row in copy.subscriptions])
    await db.run_many("put_message", [(account, *row) for row in copy.messages])
    await db.run_many("add_event", [astuple(event) for event in copy.events])


async def _replace_referred(db: SqlSession, copy: AccountCopy) -> None:
    """What other rows refer to. Its version is one that no transaction has read, so that what was read before the
    replacement is never taken to hold after it."""
    account, version = copy.account, time.time_ns()
    await db.run_many("put_connection", [(account, *row, version) for row in copy.connections])
    await db.run_many("put_topic", [(account, *row) for row in copy.topics])
    await db.run_many("put_chat", [(account, *row, version) for row in copy.chats])
    await db.run("trim_chats", account, [chat.id for chat in copy.chats])
    await db.run("trim_topics", account, [topic.topic for topic in copy.topics])
    await db.run("trim_connections", account, [connection.id for connection in copy.connections])
