"""Runs for the ledger to check, and its findings."""

from typing import Any

from storages import ACCOUNT, NOW_NS, Storage
from studies import Op

from loadtests.ledger import StoredDatabase, read_ledger
from loadtests.records.rundirectory import RunDirectory

ORIGIN_NS = NOW_NS - 60 * 10**9
"""The Unix clock at the origin of these runs: a minute ago."""


def operations(run: RunDirectory, worker: str, *ops: Op) -> None:
    with run.create_table("operations", worker, pod=["pod-1"]) as table:
        table.write([op.row(seq) for seq, op in enumerate(ops)])


def manifest(run: RunDirectory, *accounts: str) -> None:
    """Of a run that began a minute ago."""
    pods = [{"name": "pod-1", "url": "ws://127.0.0.1:1", "accounts": list(accounts or (ACCOUNT,))}]
    run.write("manifest", {"target": {"pods": pods}, "clock": {"realtime_ns": ORIGIN_NS}})


def accept(chat: int, outcome: str = "ok", connection: int = 4, error: str = "") -> Op:
    return Op("chat.accept", key=chat ^ 0x1000, chat=chat, outcome=outcome, connection=connection, error=error)


def checks_of(storage: Storage, run: RunDirectory) -> dict[str, dict[str, Any]]:
    document = read_ledger({storage.engine: StoredDatabase(storage.engine, storage.dsn)}, run)
    assert document["format"] == 1
    assert document["databases"] == {storage.engine: {"engine": storage.engine}}
    return {check["check"]: check for check in document["checks"]}


def failed(found: dict[str, dict[str, Any]]) -> dict[str, int]:
    return {name: check["count"] for name, check in found.items() if check["verdict"] != "pass"}
