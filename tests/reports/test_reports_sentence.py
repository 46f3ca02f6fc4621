"""The sentence about a split, for all objects and holders of locks."""

from types import SimpleNamespace

import pytest

from reports.data.arrays import OTHERS
from reports.data.contract import NO_HOLDER, UNNAMED, WRITE_LOCK
from reports.findings.causes import CAUSES, Split
from reports.text.causes import causes
from reports.text.phrases import behind, lock_of, queue
from reports.text.plain_names import waiter_words
from reports.text.sentence import SplitFigure, figure_sentence

ROW, OTHER = "row of accounts", "row of chats"
KNOWN = SimpleNamespace(
    label="postgres",
    counted={},
    causes=SimpleNamespace(reason=""),
    waits=SimpleNamespace(known="event"),
    durations=SimpleNamespace(threshold_s=None),
)


def phrase(locks, through=(), parts=(), **more):
    """The sentences without the beginning, and how lock waits are known; times in ms, of 100 in total."""
    ns = {cause: ms * 1e6 for cause, ms in {**dict.fromkeys(CAUSES, 0.0), **dict(parts)}.items()}
    ns["lock"] = sum(locks.values()) * 1e6
    felt = {cause: {pair: ms * 1e6 for pair, ms in pairs.items()} for cause, pairs in dict(through).items()}
    split = Split(100e6, 40, ns, {pair: ms * 1e6 for pair, ms in locks.items()}, felt, **more)
    text = figure_sentence(KNOWN, SplitFigure("chat.accept", "p99", split))
    text = text.removeprefix("Of the 100 ms that p99 of Accept chat took on postgres, ")
    return text.replace(" (lock waits known: event)", "")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("row of accounts", "a row of accounts"),
        ("key of chats_pkey", "a key of chats_pkey"),
        ("page of chats", "a page of chats"),
        ("object of pg_class", "an object of pg_class"),
        ("transaction", "a transaction"),
        ("advisory lock", "an advisory lock"),
        ("advisory sweep", "an advisory lock"),
        ("relation accounts", "the relation accounts"),
        ("commit of NOTIFY", "the commit of NOTIFY"),
        ("metadata lock", "the metadata lock"),
        (WRITE_LOCK, "the write lock"),
        (UNNAMED, "an unknown lock"),
        (OTHERS, "other locks"),
    ],
)
def test_what_a_lock_is_on_has_its_article(name, words):
    assert lock_of(name) == words


def test_waiter_without_a_name_is_a_session():
    assert [waiter_words(name) for name in (UNNAMED, "chat.accept")] == ["sessions without a name", "Accept chat"]


def test_holder_may_be_none_or_unknown():
    assert behind("pg_dump") == "behind pg_dump"
    assert behind(UNNAMED) == "behind an unknown holder"
    assert behind(NO_HOLDER) == "between retries, while the lock was free"
    assert queue(UNNAMED, ROW) == "a queue behind an unknown holder on a row of accounts"
    assert queue(NO_HOLDER, WRITE_LOCK) == "a pause between retries of the write lock, while it was free"


def test_one_holder_and_one_lock_are_a_queue():
    assert phrase({("message.send", ROW): 90}) == "90 ms was a queue behind sending a message on a row of accounts."


def test_several_holders_of_one_lock_are_a_queue_on_it():
    locks = {("message.send", ROW): 50, ("chat.close", ROW): 40}
    assert phrase(locks) == (
        "90 ms was a queue on a row of accounts. 50 ms of these 90 ms, the largest part, was behind sending a message."
    )


def test_several_locks_are_waits_for_locks():
    locks = {("message.send", ROW): 50, (NO_HOLDER, OTHER): 30}
    assert phrase(locks) == (
        "80 ms was spent waiting for locks. 50 ms of these 80 ms, the largest part, was a queue behind sending a "
        "message on a row of accounts."
    )


def test_lock_time_in_other_parts_adds_up():
    through = {"held back": {("message.send", ROW): 20}, "session": {("message.send", ROW): 5}}
    assert phrase({("message.send", ROW): 60}, through, {"held back": 25, "session": 15}) == (
        "85 ms was a queue behind sending a message on a row of accounts: 60 ms in its own transactions, 20 ms in its "
        "user's earlier calls and 5.0 ms while it waited for a session of the pool."
    )


def test_place_and_holder_of_lock_time_are_separate_sentences():
    through = {"held back": {("message.send", ROW): 25, ("chat.close", ROW): 25}}
    assert phrase({("message.send", ROW): 10}, through, {"held back": 60}, bounds=(5e6, 20e6)) == (
        "about 60 ms was a queue on a row of accounts: 50 ms in its user's earlier calls and 10 ms in its own "
        "transactions. About 35 ms of these 60 ms, the largest part, was behind sending a message."
    )


def test_lock_time_in_earlier_calls_alone_is_not_repeated():
    through = {"held back": {("message.send", ROW): 70}}
    assert phrase({}, through, {"held back": 80}) == (
        "70 ms was a queue behind sending a message on a row of accounts, all of it in its user's earlier calls."
    )


def test_causes_without_relevant_locks_add_up_largest_first():
    parts = {"pod": 40, "rest": 20, "database": 12, "session": 5, "held back": 3}
    assert phrase({("message.send", ROW): 20}, parts=parts) == (
        "40 ms was the pod's own work, 20 ms was a queue behind sending a message on a row of accounts, 20 ms was the "
        "network and the pod's socket, 12 ms was database work and 8.0 ms had other causes."
    )


def test_holder_of_locks_among_other_causes_is_a_part_of_them():
    locks = {("message.send", ROW): 20, ("chat.close", ROW): 10}
    assert phrase(locks, parts={"pod": 70}) == (
        "70 ms was the pod's own work and 30 ms was a queue on a row of accounts. 20 ms of these 30 ms, the largest "
        "part, was behind sending a message."
    )


def test_few_observations_make_it_approximate():
    assert phrase({("message.send", ROW): 60}, bounds=(20e6, 95e6)) == (
        "about 60 ms (20 ms … 95 ms) was a queue behind sending a message on a row of accounts."
    )


def cause_in_headline(parts, locks):
    ns = {cause: ms * 1e6 for cause, ms in {**dict.fromkeys(CAUSES, 0.0), **parts, "lock": sum(locks.values())}.items()}
    split = Split(100e6, 40, ns, {pair: ms * 1e6 for pair, ms in locks.items()})
    system = SimpleNamespace(causes=SimpleNamespace(splits={"chat.accept": {"p99": split}}))
    return causes(SimpleNamespace(system=system, measure=SimpleNamespace(name="chat.accept")), "p99")


@pytest.mark.parametrize(
    ("locks", "words"),
    [
        ({("message.send", ROW): 70}, "70% of it a lock queue behind sending a message"),
        ({("a", ROW): 30, ("b", ROW): 30, ("c", OTHER): 10}, "70% of it waiting for a row of accounts"),
        ({("a", ROW): 25, ("b", OTHER): 25, ("c", UNNAMED): 20}, "70% of it waiting for locks"),
        ({(UNNAMED, UNNAMED): 70}, "70% of it waiting for locks"),
        ({}, "60% of it database work"),
    ],
)
def test_headline_states_the_cause_as_a_part_of_the_figure(locks, words):
    assert cause_in_headline({"database": 60}, locks) == (words, "")


def test_headline_states_no_cause_of_less_than_half():
    assert cause_in_headline({"database": 40, "pod": 40}, {}) == ("", "")
