"""An account carried over whole, inside the transaction that the caller began."""

import json
from collections.abc import Iterable
from dataclasses import astuple

from loadtests.pod.storage.contract import AccountCopy
from loadtests.pod.storage.copies import ROWS, account_copy
from loadtests.pod.storage.sqlite.driver import SqliteSession


def copy_account(db: SqliteSession, account: str) -> AccountCopy:
    return account_copy(account, {field: db.rows(f"copy_{field}", account=account) for field in ROWS})


def replace_account(db: SqliteSession, copy: AccountCopy) -> None:
    account = copy.account
    for leaf in ("events", "messages", "subscriptions"):
        db.run(f"clear_{leaf}", account=account)
    db.run_many("put_connection", ((account, *row) for row in copy.connections))
    db.run_many("put_topic", ((account, *row) for row in copy.topics))
    db.run_many("put_chat", ((account, *row) for row in copy.chats))
    _trim(db, account, "chats", (chat.id for chat in copy.chats))
    _trim(db, account, "topics", (topic.topic for topic in copy.topics))
    _trim(db, account, "connections", (connection.id for connection in copy.connections))
    db.run_many("put_subscription", ((account, *row) for row in copy.subscriptions))
    db.run_many("put_message", ((account, *row) for row in copy.messages))
    db.run_many("put_event", (astuple(event) for event in copy.events))


def _trim(db: SqliteSession, account: str, table: str, kept: Iterable[str]) -> None:
    db.run(f"trim_{table}", account=account, kept=json.dumps(list(kept)))
