"""Waking up on time: never early, all, in order; how late is measured by a benchmark, not here."""

import os
from collections.abc import Callable
from time import monotonic_ns

import gevent
import pytest
from gevent import Timeout

from loadtests.users.clock import _kernel_timer, call_at, sleep_until

MS = 1_000_000


def _until(condition: Callable[[], bool]) -> None:
    """However busy the host is."""
    with Timeout(60):
        while not condition():
            gevent.sleep(0.002)


def test_no_greenlet_wakes_early() -> None:
    def sleep(ahead_ms: float) -> int:
        at_ns = monotonic_ns() + int(ahead_ms * MS)
        sleep_until(at_ns)
        return monotonic_ns() - at_ns

    sleepers = [gevent.spawn(sleep, ahead_ms) for ahead_ms in (30, 0.01, 5, 12.5, 5, 1, 29)]
    gevent.get_hub().loop.update_now()  # joinall counts from the last turn of the loop, perhaps minutes ago
    gevent.joinall(sleepers, timeout=60, raise_error=True)
    assert [sleeper for sleeper in sleepers if not sleeper.ready()] == []
    assert all(sleeper.value >= 0 for sleeper in sleepers)


def test_the_past_is_no_reason_to_wait() -> None:
    with Timeout(5):
        sleep_until(monotonic_ns() - MS)
        sleep_until(-5)


def test_calls_come_in_the_order_of_their_moments() -> None:
    called: list[str] = []
    now = monotonic_ns()
    call_at(now + 4 * MS, lambda: called.append("second"))
    call_at(now + 2 * MS, lambda: called.append("first"))
    call_at(now - MS, lambda: called.append("past"))
    cancel = call_at(now + 3 * MS, lambda: called.append("cancelled"))
    cancel()
    _until(lambda: "second" in called)
    cancel()
    assert called == ["past", "first", "second"]


def test_a_killed_sleeper_is_not_woken_again() -> None:
    sleeper = gevent.spawn(sleep_until, monotonic_ns() + 2 * MS)
    gevent.sleep(0)
    sleeper.kill()
    gevent.sleep(0.01)
    assert sleeper.dead


def test_a_call_that_crashes_does_not_keep_the_others_from_theirs(capfd: pytest.CaptureFixture[str]) -> None:
    called: list[int] = []
    now = monotonic_ns()
    call_at(now + MS, lambda: 1 // 0)
    call_at(now + MS, lambda: called.append(1))
    call_at(now + 2 * MS, lambda: called.append(2))
    _until(lambda: 2 in called)
    assert called == [1, 2]
    assert "ZeroDivisionError" in capfd.readouterr().err


@pytest.mark.parametrize("ending", [KeyboardInterrupt, SystemExit])
def test_interrupt_within_a_call_does_not_keep_the_others_from_theirs(ending: type[BaseException]) -> None:
    """It is raised in the main greenlet, as one between two calls is."""
    called: list[int] = []

    def interrupt() -> None:
        raise ending

    now = monotonic_ns()
    call_at(now + MS, interrupt)
    call_at(now + MS, lambda: called.append(1))
    call_at(now + 2 * MS, lambda: called.append(2))
    with pytest.raises(ending):
        gevent.sleep(60)
    _until(lambda: 2 in called)
    assert called == [1, 2]


def test_a_forked_process_has_an_alarm_of_its_own() -> None:
    sleep_until(monotonic_ns() + MS)
    child = gevent.os.fork()
    if child == 0:
        try:
            with Timeout(5):
                sleep_until(monotonic_ns() + MS)
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(gevent.os.waitpid(child, 0)[1]) == 0


def test_cancelled_calls_do_not_pile_up() -> None:
    far = monotonic_ns() + 3600 * 1000 * MS
    call_at(far, lambda: None)
    timer = _kernel_timer()
    assert timer is not None
    for _ in range(20_000):
        call_at(far, lambda: None)()
    assert len(timer._calls) < 5000
    called: list[int] = []
    call_at(monotonic_ns() + MS, lambda: called.append(1))
    _until(lambda: bool(called))
    assert called == [1]
