"""Pushes that were lost, doubled or out of order: by rows, and after the last of them by the storage."""

from pathlib import Path
from typing import Any

import apsw
import numpy as np
import pyarrow as pa
import pytest
import storages
from ledgers import ORIGIN_NS, checks_of, failed, manifest, operations
from storages import Storage
from studies import Op

from loadtests.ledger import StoredDatabase, read_ledger
from loadtests.records.rundirectory import RunDirectory
from loadtests.records.tables import OPERATIONS_TABLE
from loadtests.records.vocabulary import OPERATIONS


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return storages.sqlite(tmp_path / "storage.sqlite")


def subscribe(at_s: float, after: int = 0, connection: int = 4, topic: str = "queue", **more: Any) -> Op:
    return Op("subscription.create", at_s, connection=connection, topic=topic, sequence=after, **more)


def push(number: int, at_s: float, connection: int = 4, topic: str = "queue", **more: Any) -> Op:
    fields = {"key": 0xE0 + number, "chat": 0xA1, **more}
    return Op("event.deliver", None, ended_s=at_s, connection=connection, topic=topic, sequence=number, **fields)


def close(at_s: float, connection: int = 4) -> Op:
    return Op("connection.close", at_s, connection=connection)


def published(storage: Storage, *at_s: float, account: str = storages.ACCOUNT) -> None:
    """Events of an account's queue, published so long after the run's origin."""
    storage.add("topics", account=account, head=len(at_s))
    for number, moment_s in enumerate(at_s, 1):
        when_ns = ORIGIN_NS + int(moment_s * 1e9)
        storage.event("queue", number, "chat.closed", 0xE0 + number, account=account, published_at=when_ns)


def test_a_number_that_is_missing_between_two_was_lost(run: RunDirectory) -> None:
    """No storage has to be asked for it."""
    operations(run, "0", subscribe(1, after=10), push(11, 2), push(14, 3), push(15, 4))
    found = {c["check"]: c for c in read_ledger({}, run)["checks"]}
    assert (found["lost_pushes"]["verdict"], found["lost_pushes"]["count"], found["lost_pushes"]["known"]) == (
        "fail",
        2,
        "rows",
    )
    assert found["lost_pushes"]["evidence"] == ["connection 0-4 account 0 queue"]


def test_events_after_the_last_push_come_from_the_storage(storage: Storage, run: RunDirectory) -> None:
    published(storage, 2, 3, 20, 55)
    operations(run, "0", subscribe(1), push(1, 2), push(2, 3), close(59))
    lost = checks_of(storage, run)["lost_pushes"]
    assert (lost["verdict"], lost["count"]) == ("fail", 1)  # the third; the fourth may have been under way
    assert lost["reason"].endswith("; 1 more may have been under way when their subscription ended")


def test_a_subscriber_that_was_cut_off_is_owed_nothing_afterwards(storage: Storage, run: RunDirectory) -> None:
    published(storage, 2, 12, 40)
    operations(run, "0", subscribe(1), push(1, 2), Op("chat.close", 5, 30, "unknown", "cut_off", connection=4))
    found = checks_of(storage, run)
    assert failed(found) == {}
    assert found["lost_pushes"]["reason"].startswith("1 more may have been under way")


def test_who_unsubscribed_is_owed_nothing_and_who_comes_back_begins_anew(storage: Storage, run: RunDirectory) -> None:
    published(storage, 2, 20, 21, 40)
    operations(
        run,
        "0",
        subscribe(1),
        push(1, 2),
        Op("subscription.delete", 19.9, connection=4, topic="queue"),
        subscribe(30, after=3),
        push(4, 40),
        close(59),
    )
    assert failed(checks_of(storage, run)) == {}


def test_subscribing_twice_owes_everything_once(storage: Storage, run: RunDirectory) -> None:
    published(storage, 2, 20, 40)
    operations(run, "0", subscribe(1), push(1, 2), subscribe(10, after=1), push(2, 20), push(3, 40), close(59))
    assert failed(checks_of(storage, run)) == {}


def test_queues_of_two_accounts_are_two(storage: Storage, run: RunDirectory, tmp_path: Path) -> None:
    other = RunDirectory(tmp_path / "two")
    other.path.mkdir()
    manifest(other, "account-0001", "account-0002")
    published(storage, 2)
    published(storage, 2, 3, account="account-0002")
    operations(
        other,
        "0",
        subscribe(1),
        push(1, 2),
        close(59),
        subscribe(1, connection=5, account=1),
        push(1, 2, connection=5, account=1),
        close(59, connection=5),
    )
    lost = checks_of(storage, other)["lost_pushes"]
    assert (lost["count"], lost["evidence"]) == (1, ["connection 0-5 account 1 queue"])


def test_doubled_and_reordered_pushes_are_named_by_their_cause(storage: Storage, run: RunDirectory) -> None:
    published(storage, 2, 3, 4)
    operations(run, "0", subscribe(1), push(1, 2), push(3, 3), push(2, 4), push(2, 5), close(59))
    # The same numbers on another connection, and in another topic of this one, are no repetition.
    operations(run, "1", subscribe(1), push(1, 2), push(2, 3), push(3, 4), push(1, 5, topic="chat"), close(59))
    found = checks_of(storage, run)
    assert found["duplicated_messages"]["evidence"] == [f"{0xE2:016x}"]
    assert found["reordered"]["evidence"] == [f"{0xE2:016x}"]
    assert failed(found) == {"duplicated_messages": 1, "reordered": 1}


def test_offer_that_reached_no_subscribed_agent(storage: Storage, run: RunDirectory) -> None:
    storage.add("topics", head=2)
    for number, chat in enumerate((0xA1, 0xA2), 1):
        storage.chat(chat)
        storage.event("queue", number, "chat.offered", chat, published_at=ORIGIN_NS + 2 * 10**9)
    offers = [Op("chat.offer", 1.5, key=chat, chat=chat, connection=9) for chat in (0xA1, 0xA2)]
    operations(run, "0", *offers, subscribe(1), push(1, 2, key=0xA1), close(59))
    found = checks_of(storage, run)
    assert found["never_offered"]["evidence"] == ["00000000000000a2"]
    assert failed(found) == {"never_offered": 1, "lost_pushes": 1}


def test_where_nothing_could_be_judged_nothing_is_known(storage: Storage, run: RunDirectory) -> None:
    published(storage, 55)
    operations(run, "0", subscribe(50), close(59))
    assert checks_of(storage, run)["lost_pushes"]["verdict"] == "unknown"


def test_one_event_among_many_is_missed(tmp_path: Path, run: RunDirectory) -> None:
    rows, topics = 50_000, 5_000
    storage = storages.sqlite(tmp_path / "storage.sqlite")
    numbers = np.arange(rows)
    topic, number = numbers % topics, numbers // topics + 1
    connection = apsw.Connection(storage.dsn)
    with connection:
        connection.executemany(
            "INSERT INTO events VALUES ('account-0001', ?, ?, 'message.sent', '', ?, '', '', ?)",
            (
                (f"chat/{t:016x}", n, f"{i + (1 << 40):016x}", ORIGIN_NS + n)
                for i, (t, n) in enumerate(zip(topic.tolist(), number.tolist(), strict=True))
            ),
        )
        connection.executemany(
            "INSERT INTO topics VALUES ('account-0001', ?, ?)",
            ((f"chat/{t:016x}", rows // topics) for t in range(topics)),
        )
    _many_operations(run, topic, number)
    found = read_ledger({"sqlite": StoredDatabase("sqlite", storage.dsn)}, run)["checks"]
    assert {c["check"]: c["count"] for c in found if c["verdict"] != "pass"} == {"lost_pushes": 1}


def _many_operations(run: RunDirectory, topic: Any, number: Any) -> None:
    """Every topic has one subscriber, who gets every event but one of them all."""
    n, topics = len(topic), int(topic.max()) + 1
    begun = np.arange(topics)
    came = np.arange(n) != n // 2
    operation = np.repeat(
        [OPERATIONS.index("subscription.create"), OPERATIONS.index("event.deliver")], [topics, came.sum()]
    )
    chat = np.concatenate([begun, topic[came]]).astype(np.uint64)
    size = len(chat)
    values = {
        "seq": np.arange(size),
        "operation": operation,
        "connection": chat,
        "chat": chat,
        "key": np.arange(size) + (1 << 41),
        "topic": np.full(size, 2),
        "sequence": np.concatenate([np.zeros(topics, np.int64), number[came]]),
        "started_ns": np.ones(size),
        "ended_ns": np.full(size, 59 * 10**9),
    }
    schema = OPERATIONS_TABLE.schema({"pod": ["pod-1"]})
    columns = [pa.array(values.get(f.name, np.zeros(size))).cast(f.type) for f in schema]
    with run.create_table("operations", "0", pod=["pod-1"]) as table:
        table.write_batch(pa.record_batch(columns, schema=schema))
