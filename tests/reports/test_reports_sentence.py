"""The sentence about a split, for all objects and holders of locks."""

from types import SimpleNamespace

import pytest

from reports.data.arrays import OTHERS
from reports.data.contract import NO_HOLDER, UNNAMED, WRITE_LOCK
from reports.findings.causes import CAUSES, Split
from reports.text.phrases import behind, lock_of, queue
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
    """The sentence without its beginning and end; times in ms, of 100 in total."""
    ns = {cause: ms * 1e6 for cause, ms in {**dict.fromkeys(CAUSES, 0.0), **dict(parts)}.items()}
    ns["lock"] = sum(locks.values()) * 1e6
    felt = {cause: {pair: ms * 1e6 for pair, ms in pairs.items()} for cause, pairs in dict(through).items()}
    split = Split(100e6, 40, ns, {pair: ms * 1e6 for pair, ms in locks.items()}, felt, **more)
    text = figure_sentence(KNOWN, SplitFigure("chat.accept", "p99", split))
    return text.removeprefix("Of the 100 ms that p99 of Accept chat took on postgres, ").partition(" (lock waits")[0]


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


def test_holder_may_be_none_or_unknown():
    assert behind("pg_dump") == "behind pg_dump"
    assert behind(UNNAMED) == "behind an unknown holder"
    assert behind(NO_HOLDER) == "between retries, while the lock was free"
    assert queue(UNNAMED, ROW) == "a queue behind an unknown holder on a row of accounts"
    assert queue(NO_HOLDER, WRITE_LOCK) == "a pause between retries of the write lock, while it was free"


def test_one_holder_and_one_lock_are_a_queue():
    assert phrase({("message.send", ROW): 90}) == "90 ms was a queue behind sending a message on a row of accounts"


def test_several_holders_of_one_lock_are_a_queue_on_it():
    locks = {("message.send", ROW): 50, ("chat.close", ROW): 40}
    assert phrase(locks) == "90 ms was a queue on a row of accounts, 50 ms of it behind sending a message"


def test_several_locks_are_waits_for_locks():
    locks = {("message.send", ROW): 50, (NO_HOLDER, OTHER): 30}
    assert phrase(locks) == (
        "80 ms was spent waiting for locks, 50 ms of it in a queue behind sending a message on a row of accounts"
    )


def test_sentence_names_lock_time_in_other_parts():
    through = {"held back": {("message.send", ROW): 20}, "session": {("message.send", ROW): 10}}
    assert phrase({("message.send", ROW): 60}, through, {"held back": 25, "session": 15}) == (
        "90 ms was a queue behind sending a message on a row of accounts: 60 ms in its own transactions, 20 ms in its "
        "user's earlier calls and 10 ms while it waited for a session of the pool"
    )


def test_causes_without_relevant_locks_are_largest_first():
    parts = {"pod": 40, "rest": 20, "database": 12, "session": 5, "held back": 3}
    assert phrase({("message.send", ROW): 20}, parts=parts) == (
        "40 ms was the pod's own work, 20 ms was a queue behind sending a message on a row of accounts, 20 ms was the "
        "network and the pod's socket and 12 ms was database work"
    )


def test_few_observations_make_it_approximate():
    assert phrase({("message.send", ROW): 60}, bounds=(20e6, 95e6)) == (
        "about 60 ms (20 ms … 95 ms) was a queue behind sending a message on a row of accounts"
    )
