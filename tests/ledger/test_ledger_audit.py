"""The ledger against real storages: what was claimed and what is there."""

import time
from pathlib import Path

import pytest
from ledgers import accept, checks_of, failed, operations
from storages import LONG_AGO_NS, Storage
from studies import Op

from loadtests.ledger import StoredDatabase, read_ledger
from loadtests.records.rundirectory import RunDirectory

EVERY_CHECK = {
    "orphans",
    "accepted_twice",
    "lost_accepts",
    "accepts_nobody_was_told",
    "lost_messages",
    "never_offered",
    "duplicated_messages",
    "reordered",
    "sequence_gaps",
    "lost_pushes",
}
LIVE = "00000000000000c1"


def whole(storage: Storage, run: RunDirectory) -> None:
    """A chat that was offered, accepted and spoken in, and pushed to all subscribers."""
    storage.connection(LIVE)
    storage.chat(0xA1, LIVE)
    storage.message(0xB1, 0xA1)
    storage.events("queue", ("chat.offered", 0xA1), ("chat.accepted", 0x10A1))
    storage.events("chat/00000000000000a1", ("chat.accepted", 0x10A1), ("message.sent", 0xB1))
    received = [
        Op("event.deliver", None, ended_s=7 + n, key=key, chat=0xA1, connection=4, topic=topic, sequence=number)
        for n, (topic, number, key) in enumerate(
            (("queue", 1, 0xA1), ("queue", 2, 0x10A1), ("chat", 1, 0x10A1), ("chat", 2, 0xB1))
        )
    ]
    operations(
        run,
        "0",
        Op("subscription.create", connection=4, topic="queue", sequence=0),
        Op("subscription.create", connection=4, topic="chat", chat=0xA1, sequence=0),
        Op("chat.offer", key=0xA1, chat=0xA1, connection=9),
        accept(0xA1),
        Op("message.send", key=0xB1, chat=0xA1, connection=4),
        *received,
        Op("connection.close", 59.0, connection=4),
    )


def test_storage_that_holds_what_was_claimed_passes(storage: Storage, run: RunDirectory) -> None:
    whole(storage, run)
    # Accepting again over the same connection is harmless; losing the race is no claim.
    operations(run, "1", accept(0xA1, "refused", error="already_accepted"))
    found = checks_of(storage, run)
    assert set(found) == EVERY_CHECK
    assert failed(found) == {}
    assert {check["known"] for check in found.values()} == {"storage", "rows", "rows and storage"}


def test_an_empty_run_on_an_empty_storage_passes(storage: Storage, run: RunDirectory) -> None:
    assert failed(checks_of(storage, run)) == {}


def test_orphans_have_reason_and_age(storage: Storage, run: RunDirectory) -> None:
    storage.connection("gone", closed_at=time.time_ns() - 5 * 10**9)
    storage.connection("mute", seen_at=LONG_AGO_NS)
    storage.connection("here")
    storage.add("subscriptions", connection="never", topic="agent/never", subscribed_at=time.time_ns() - 300 * 10**9)
    orphans = checks_of(storage, run)["orphans"]
    assert orphans["count"] == 3
    assert orphans["evidence"] == [
        "gone agent/gone (closed)",
        "mute agent/mute (silent)",
        "never agent/never (missing)",
    ]
    assert orphans["reason"].startswith("subscriptions without a live connection: 1 closed, 1 missing, 1 silent; ")
    assert {"1 under 1 min", "1 under 10 min", "1 older"} == set(orphans["reason"].partition("; ")[2].split(", "))


def test_evidence_is_at_most_ten(storage: Storage, run: RunDirectory) -> None:
    for n in range(15):
        storage.connection(f"mute-{n:02}", seen_at=LONG_AGO_NS)
    check = checks_of(storage, run)["orphans"]
    assert (check["count"], len(check["evidence"])) == (15, 10)


def test_accepts_that_differ_are_found_and_named(storage: Storage, run: RunDirectory) -> None:
    big = 0xFFFFFFFFFFFFFFA2
    storage.connection(LIVE)
    for chat, winner in ((0xA1, LIVE), (big, None), (0xA3, LIVE), (0xA4, LIVE), (0xA5, LIVE)):
        storage.chat(chat, winner)
    storage.events("chat/00000000000000a5", ("chat.accepted", 1), ("chat.accepted", 2))
    no = {"error": "already_accepted"}
    operations(
        run,
        "0",
        accept(0xA1),
        accept(big, connection=5),
        accept(0xA3, "refused", **no),
        accept(0xA4, "refused", **no),
        accept(0xA5),
    )
    operations(run, "1", accept(0xA1), accept(0xA4, "unknown", error="timeout"))  # the same number is another one here
    found = checks_of(storage, run)
    assert found["accepted_twice"]["evidence"] == ["00000000000000a1", "00000000000000a5"]
    assert found["lost_accepts"]["evidence"] == ["ffffffffffffffa2"]
    assert found["accepts_nobody_was_told"]["evidence"] == ["00000000000000a3"]
    assert failed(found) == {"accepted_twice": 2, "lost_accepts": 1, "accepts_nobody_was_told": 1}


def test_messages_that_are_lost_or_there_twice(storage: Storage, run: RunDirectory) -> None:
    storage.message(0xB2, 0xA1)
    storage.events("chat/00000000000000a1", ("message.sent", 0xB2), ("message.sent", 0xB2))
    sent = [Op("message.send", key=key, chat=0xA1) for key in (0xB1, 0xB2)]
    operations(run, "0", *sent, Op("message.send", key=0xB3, chat=0xA1, outcome="unknown", error="cut_off"))
    found = checks_of(storage, run)
    assert found["lost_messages"]["evidence"] == ["00000000000000b1"]
    assert found["duplicated_messages"]["evidence"] == ["00000000000000b2"]
    assert failed(found) == {"lost_messages": 1, "duplicated_messages": 1}


def test_offers_without_their_event(storage: Storage, run: RunDirectory) -> None:
    storage.chat(0xA1)
    storage.chat(0xA2)
    storage.events("queue", ("chat.offered", 0xA1))
    operations(run, "0", *(Op("chat.offer", key=key, chat=key) for key in (0xA1, 0xA2)))
    found = checks_of(storage, run)
    assert found["never_offered"]["evidence"] == ["00000000000000a2"]
    assert failed(found) == {"never_offered": 1}


def test_gaps_in_a_topic(storage: Storage, run: RunDirectory) -> None:
    storage.events("queue", ("chat.offered", 0xA1), head=2)  # its last event is gone
    storage.add("topics", topic="chat/00000000000000a1", head=3)
    for number in (1, 3):
        storage.event("chat/00000000000000a1", number, "message.sent", 0xB0 + number)
    storage.events("chat/00000000000000a2", ("message.sent", 0xB9))
    found = checks_of(storage, run)
    assert set(found["sequence_gaps"]["evidence"]) == {"account 0 queue", "account 0 chat/00000000000000a1"}
    assert failed(found) == {"sequence_gaps": 2}


@pytest.mark.parametrize(
    ("databases", "why"),
    [
        ({}, "cannot be read from outside"),
        ({"memory": StoredDatabase("memory", "")}, "memory cannot be read"),
        ({"sqlite": StoredDatabase("sqlite", "absent.sqlite")}, "no file absent.sqlite"),
        ({"postgres": StoredDatabase("postgres", "postgresql://pod:hidden-word@127.0.0.1:1/pod")}, "PostgreSQL"),
        ({"mariadb": StoredDatabase("mariadb", "mariadb://pod:hidden-word@127.0.0.1:1/pod")}, "MariaDB"),
        ({"redis": StoredDatabase("redis", "redis://pod:hidden-word@127.0.0.1:1/0")}, "Redis"),
    ],
)
def test_unreadable_storage_is_unknown(databases: dict[str, StoredDatabase], why: str, run: RunDirectory) -> None:
    operations(run, "0", accept(0xA1), accept(0xA1, connection=5))
    document = read_ledger(databases, run)
    found = {check["check"]: check for check in document["checks"]}
    assert set(found) == EVERY_CHECK
    assert (found["orphans"]["verdict"], found["orphans"]["count"]) == ("unknown", None)
    assert why in found["orphans"]["reason"]
    # Checks that need rows only have a verdict.
    assert found["accepted_twice"]["count"] == 1
    assert (found["reordered"]["verdict"], found["duplicated_messages"]["verdict"]) == ("pass", "pass")
    assert "hidden-word" not in str(document)


def test_a_file_that_is_no_database_is_unknown(run: RunDirectory, tmp_path: Path) -> None:
    path = tmp_path / "storage.sqlite"
    path.write_bytes(b"not a database, but long enough to read" * 50)
    (orphans, *_) = read_ledger({"sqlite": StoredDatabase("sqlite", str(path))}, run)["checks"]
    assert orphans["verdict"] == "unknown"
