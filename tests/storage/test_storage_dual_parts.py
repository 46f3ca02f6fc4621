"""What dual storage is made of: shares, plans, comparisons, the gate. No storage."""

import asyncio
import zlib

import pytest

from loadtests.accounts import MigrationPlan, bucket, read_from, written_on
from loadtests.pod.storage.contract import (
    Accepted,
    AccountCopy,
    AlreadyAccepted,
    ConnectionRow,
    Done,
    Resumed,
    StorageRefusal,
    StoredChat,
    StoredConnection,
    StoredMessage,
    StoredSubscription,
    StoredTopic,
    Subscribed,
)
from loadtests.pod.storage.dual.accounts import Gate
from loadtests.pod.storage.dual.comparison import difference, differences, rows_of
from loadtests.protocols.serverhalf import Event

NAMES = [f"account-{n:04}" for n in range(1, 101)]


@pytest.mark.parametrize("among", [4, 8, 10, 40, 100])
def test_share_takes_about_as_many_accounts(among: int) -> None:
    for share in range(0, 101, 5):
        taken = sum(bucket(name) < share for name in NAMES[:among])
        assert abs(taken - among * share / 100) <= 1.5
    assert all(0 <= bucket(name) < 100 for name in NAMES)


def test_buckets_are_the_same_everywhere_and_for_ever() -> None:
    assert [round(bucket(name), 3) for name in NAMES[:4]] == [61.803, 23.607, 85.41, 47.214]
    assert bucket("account-0001") == bucket("1") == bucket("other-1")
    assert bucket("acme") == zlib.crc32(b"acme") % 100
    assert 0 <= bucket("account-" + "9" * 4000) < 100


def test_mode_decides_which_sides_are_written_and_read() -> None:
    assert [(read_from(m), tuple(written_on(m))) for m in ("legacy", "dual", "upgraded")] == [
        ("legacy", ("legacy",)),
        ("legacy", ("legacy", "upgraded")),
        ("upgraded", ("upgraded",)),
    ]


def _modes(plan: MigrationPlan) -> dict[str, int]:
    modes = [plan.mode(name) for name in NAMES]
    return {mode: modes.count(mode) for mode in ("legacy", "dual", "upgraded") if mode in modes}


def test_a_wave_grows_and_shrinks_and_leaves_nothing_behind() -> None:
    plan = MigrationPlan("legacy")
    for share, expected in ((25, 25), (50, 50), (100, 100), (60, 60), (0, 0)):
        plan = plan.then("dual", share)
        assert _modes(plan).get("dual", 0) == pytest.approx(expected, abs=1)
    assert plan == MigrationPlan("legacy")


def test_waves_follow_each_other_and_going_back_leads_where_one_came_from() -> None:
    plan = MigrationPlan("legacy").then("dual", 60).then("upgraded", 20)
    assert _modes(plan) == {"upgraded": 20, "dual": 40, "legacy": 40}
    assert _modes(plan.then("upgraded", 100)) == {"upgraded": 100}
    assert _modes(plan.then("upgraded", 100).then("upgraded", 0)) == {"dual": 60, "legacy": 40}
    assert _modes(plan.then("upgraded", 100).then("legacy", 30)) == {"upgraded": 70, "legacy": 30}
    assert _modes(plan.then("legacy", 100)) == {"legacy": 100}


def _event(sequence: int = 1, text: str = "hello", at: int = 1) -> Event:
    return Event("account-0001", "queue", sequence, "message.sent", "c", "k", "Ada", text, at)


@pytest.mark.parametrize(
    ("first", "second", "kind"),
    [
        (Done((_event(at=1),)), Done((_event(at=2),)), None),
        (Done((_event(1),)), Done((_event(2),)), "sequence_differs"),
        (Done((_event(),)), Done((_event(text="bye"),)), "answers_differ"),
        (Done((_event(),)), Done(), "answers_differ"),
        (Accepted((_event(),)), AlreadyAccepted("Eve"), "second_refused"),
        (Done(), StorageRefusal.NO_SUCH_CONNECTION, "second_refused"),
        (Subscribed(7), Subscribed(9), None),
        (Subscribed(7), Done(), "answers_differ"),
    ],
)
def test_replies_are_compared_by_content(first: object, second: object, kind: str | None) -> None:
    assert difference(first, second) == kind


def test_resuming_compares_topics_and_not_how_far_they_came() -> None:
    row = ConnectionRow("c1", "account-0001", "agent", "Ada", "token")
    assert difference(Resumed(row, {"queue": 1}), Resumed(row, {"queue": 2})) is None
    assert difference(Resumed(row, {"queue": 1}), Resumed(row, {})) == "answers_differ"


def _copy(at: int = 1, head: int = 1, state: str = "offered", **others: object) -> AccountCopy:
    rows = {
        "connections": (StoredConnection("c1", "agent", "Ada", "d", at, at, None),),
        "topics": (StoredTopic("queue", head), StoredTopic("agent/never", 0)),
        "subscriptions": (StoredSubscription("c1", "queue", at),),
        "chats": (StoredChat("k", state, "help", "c1", None, at, None, None),),
        "messages": (StoredMessage("k", "c", "c1", "hello", at),),
        "events": (_event(at=at),),
    }
    return AccountCopy("account-0001", **{**rows, **others})  # type: ignore[arg-type]


def test_copies_that_differ_in_their_times_are_equal() -> None:
    assert differences(_copy(at=1), _copy(at=2)) == {}
    assert differences(_copy(), _copy(topics=(StoredTopic("queue", 1),))) == {}, "nothing ever happened on the other"
    assert rows_of(_copy()) == 7


def test_what_is_on_one_side_only_or_another_there_is_counted_once_each() -> None:
    closed = (StoredConnection("c1", "agent", "Ada", "d", 1, 1, 9),)
    assert differences(_copy(), _copy(connections=closed)) == {"connections": 1}
    assert differences(_copy(), _copy(head=2, state="accepted")) == {"topics": 1, "chats": 1}
    assert differences(_copy(), _copy(events=(_event(text="bye"), _event(2)))) == {"events": 2}
    other = (StoredMessage("other", "c", "c1", "hello", 1),)
    assert differences(_copy(), _copy(messages=other)) == {"messages": 2}
    assert differences(_copy(), AccountCopy("account-0001")).total() == 6


def test_exclusive_entry_waits_and_makes_others_wait() -> None:
    asyncio.run(_gate())


async def _gate() -> None:
    gate, entries, leave = Gate(), [], asyncio.Event()

    async def passing(name: str) -> None:
        async with gate.passing():
            entries.append(name)
            if name == "first":
                await leave.wait()

    async def alone() -> None:
        async with gate.alone():
            entries.append("alone")
            await asyncio.sleep(0)
            entries.append("alone no more")

    tasks = [asyncio.create_task(job) for job in (passing("first"), alone(), passing("second"), alone())]
    for _ in range(5):
        await asyncio.sleep(0)
    assert entries == ["first"]
    assert gate.closed
    leave.set()
    await asyncio.gather(*tasks)
    assert sorted(entries) == sorted(["first", *["alone", "alone no more"] * 2, "second"])
    for n, word in enumerate(entries):
        assert word != "alone" or entries[n + 1] == "alone no more", entries
    assert not gate.closed


def test_a_gate_opens_again_when_who_was_alone_is_cancelled() -> None:
    async def check() -> None:
        gate, inside = Gate(), asyncio.Event()

        async def hold() -> None:
            async with gate.passing():
                inside.set()
                await asyncio.sleep(3600)

        holder = asyncio.create_task(hold())
        await inside.wait()

        async def move() -> None:
            async with gate.alone():
                raise AssertionError("another task was inside")

        mover = asyncio.create_task(move())
        await asyncio.sleep(0)
        mover.cancel()
        await asyncio.gather(mover, return_exceptions=True)
        async with gate.passing():
            assert not gate.closed
        holder.cancel()
        await asyncio.gather(holder, return_exceptions=True)

    asyncio.run(check())
