"""What a user does next, and how it waits for it."""

from time import monotonic_ns

import gevent
from hypothesis import given
from hypothesis import strategies as st

from loadtests.users.agenda import Agenda, Waiter
from loadtests.users.clock import Clock

MS = 1_000_000


def clock() -> Clock:
    return Clock(monotonic_ns(), 0)


@given(st.lists(st.integers(0, 20)))
def test_things_are_done_when_due_and_the_older_first(dues: list[int]) -> None:
    agenda, done = Agenda(lambda: None), list[tuple[int, int]]()
    for number, due in enumerate(dues):
        agenda.plan(due, lambda due_ns, subject: done.append((due_ns, subject)), number)
    while agenda.due_ns is not None:
        agenda.do()
    assert done == sorted((due, number) for number, due in enumerate(dues))


def test_only_what_comes_first_is_news() -> None:
    news: list[int | None] = []
    agenda = Agenda(lambda: news.append(agenda.due_ns))
    for due in (5, 7, 3, 3):
        agenda.plan(due, lambda *_: None)
    assert news == [5, 3]


def test_what_is_forgotten_is_not_done() -> None:
    agenda, done = Agenda(lambda: None), list[str]()

    def gone(_due_ns: int, _subject: object) -> None:
        done.append("gone")

    agenda.plan(1, gone)
    agenda.plan(2, lambda *_: done.append("kept"))
    agenda.plan(3, gone)
    agenda.forget(gone)
    assert agenda.due_ns == 2
    agenda.do()
    assert (done, agenda.due_ns) == (["kept"], None)


def test_a_moment_that_has_passed_is_there_at_once_and_one_that_comes_is_waited_for() -> None:
    time = clock()
    waiter = Waiter(time)
    assert waiter.until(time.now() - MS)
    due = time.now() + 5 * MS
    assert waiter.until(due)
    assert time.now() >= due


def test_notification_ends_the_wait_also_when_it_was_earlier() -> None:
    time = clock()
    waiter = Waiter(time)
    gevent.spawn(waiter.notify)
    assert not waiter.until(time.now() + 60_000 * MS)
    waiter.notify()
    assert not waiter.until(None)
