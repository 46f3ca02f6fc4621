"""Two databases under one pod: which one answers for an account, and what is not the same on both."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from ledgers import accept, failed, manifest, operations
from storages import Storage, a_storage
from studies import Op

from loadtests.accounts import Mode
from loadtests.ledger import StoredDatabase, read_ledger
from loadtests.records.rundirectory import RunDirectory

LIVE = "00000000000000c1"
Sides = tuple[Storage, Storage]


@pytest.fixture(params=["sqlite postgres", "mariadb redis"])
def sides(request: pytest.FixtureRequest, tmp_path: Path) -> Sides:
    legacy, upgraded = (a_storage(engine, request, tmp_path) for engine in request.param.split())
    return legacy, upgraded


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    directory = RunDirectory(tmp_path / "run")
    directory.path.mkdir()
    manifest(directory, "account-0001", "account-0002")
    return directory


def checks_of(sides: Sides, run: RunDirectory, modes: Mapping[str, Mode]) -> dict[str, dict[str, Any]]:
    databases = {
        name: StoredDatabase(s.engine, s.dsn, name) for name, s in zip(("legacy", "upgraded"), sides, strict=True)
    }
    return {check["check"]: check for check in read_ledger(databases, run, modes)["checks"]}


def fill(side: Storage, account: str, chat: int) -> None:
    live = f"{chat + 0x1000:016x}"
    side.add("connections", id=live, account=account)
    side.add("subscriptions", connection=live, topic="queue", account=account)
    side.chat(chat, live, account=account)
    side.message(chat + 1, chat, account=account)
    side.events("queue", ("chat.offered", chat), account=account)
    side.events(f"chat/{chat:016x}", ("message.sent", chat + 1), account=account)


def claimed(run: RunDirectory, *chats: int, outcome: str = "ok") -> None:
    ops = [
        op
        for chat in chats
        for op in (
            Op("chat.offer", key=chat, chat=chat),
            accept(chat),
            Op("message.send", key=chat + 1, chat=chat, outcome=outcome),
        )
    ]
    operations(run, "0", *ops)


def test_sides_that_are_the_same_pass(sides: Sides, run: RunDirectory) -> None:
    for side in sides:
        fill(side, "account-0001", 0xA1)
    claimed(run, 0xA1)
    found = checks_of(sides, run, {"account-0001": "dual"})
    assert "diverged" in found
    assert failed(found) == {}


def test_the_side_that_answers_for_an_account_is_asked(sides: Sides, run: RunDirectory) -> None:
    """The other one may hold what it likes of it."""
    legacy, upgraded = sides
    fill(legacy, "account-0001", 0xA1)
    fill(upgraded, "account-0002", 0xB1)
    legacy.message(0xEE, 0xB1, account="account-0002")
    claimed(run, 0xA1, 0xB1)
    modes: dict[str, Mode] = {"account-0001": "legacy", "account-0002": "upgraded"}
    assert failed(checks_of(sides, run, modes)) == {}
    swapped: dict[str, Mode] = {"account-0001": "upgraded", "account-0002": "legacy"}
    assert {"lost_accepts": 2, "lost_messages": 2, "never_offered": 2}.items() <= failed(
        checks_of(sides, run, swapped)
    ).items()


def test_what_is_on_one_side_only_or_not_the_same_is_found(sides: Sides, run: RunDirectory) -> None:
    legacy, upgraded = sides
    for side in sides:
        fill(side, "account-0001", 0xA1)
        fill(side, "account-0002", 0xB1)
    legacy.message(0xEE, 0xA1)  # the second write was lost
    upgraded.chat(0xC1)  # the first one was
    legacy.chat(0xC3, LIVE)
    upgraded.chat(0xC3)
    upgraded.add("subscriptions", connection=f"{0x10A1:016x}", topic="agent/1")
    upgraded.message(0xDD, 0xB1, account="account-0002")  # of no account that is written to both
    claimed(run, 0xA1, 0xB1)
    found = checks_of(sides, run, {"account-0002": "legacy"})["diverged"]
    assert found["count"] == 4
    assert found["reason"] == "not the same on both sides: 2 chats, 1 messages, 1 subscriptions"
    assert found["evidence"] == [
        "chats 00000000000000c1",
        "chats 00000000000000c3",
        "messages 00000000000000ee",
        "subscriptions 00000000000010a1",
    ]


def test_unacknowledged_changes_are_reported_separately(sides: Sides, run: RunDirectory) -> None:
    legacy, upgraded = sides
    for side in sides:
        fill(side, "account-0001", 0xA1)
    legacy.message(0xEE, 0xA1)
    upgraded.add("subscriptions", connection=f"{0x10A1:016x}", topic="agent/1")
    operations(
        run,
        "0",
        Op("message.send", key=0xEE, chat=0xA1, outcome="unknown", error="timeout"),
        Op("subscription.create", topic="other", outcome="unknown", error="timeout"),
    )
    found = checks_of(sides, run, {})["diverged"]
    assert (found["verdict"], found["reason"]) == ("pass", "2 more differ whose operations were not acknowledged")


def test_an_event_without_acknowledgement_shifts_the_numbers_of_others(sides: Sides, run: RunDirectory) -> None:
    """It timed out on one side, and was made on the other."""
    legacy, upgraded = sides
    for side in sides:
        fill(side, "account-0001", 0xA1)
        fill(side, "account-0002", 0xB1)
    both = [("chat.accepted", 0xC1), ("chat.accepted", 0xC2)]
    legacy.events("chat/00000000000000f1", ("chat.offered", 0xEE), *both, account="account-0001")
    upgraded.events("chat/00000000000000f1", *both, account="account-0001")
    others = [("chat.accepted", 0xD1), ("chat.accepted", 0xD2)]
    legacy.events("chat/00000000000000f1", *others, account="account-0002")
    upgraded.events("chat/00000000000000f1", *reversed(others), account="account-0002")
    claimed(run, 0xA1, 0xB1)
    operations(run, "1", Op("chat.offer", key=0xEE, chat=0xEE, outcome="unknown", error="timeout"))
    found = checks_of(sides, run, {})["diverged"]
    assert found["evidence"] == ["events 00000000000000d1", "events 00000000000000d2"]
    assert found["reason"] == (
        "not the same on both sides: 2 events; 1 more differ whose operations were not acknowledged"
    )


def test_a_side_that_cannot_be_read_is_named(sides: Sides, run: RunDirectory) -> None:
    databases = {
        "legacy": StoredDatabase(sides[0].engine, sides[0].dsn, "legacy"),
        "upgraded": StoredDatabase("sqlite", "absent.sqlite", "upgraded"),
    }
    (orphans, *_) = read_ledger(databases, run)["checks"]
    assert (orphans["verdict"], orphans["reason"]) == ("unknown", "upgraded: there is no file absent.sqlite")
