"""What ends a run from the outside, and what does not."""

import signal

import pytest

from loadtests.conductor.watching import Interrupts


@pytest.fixture
def hangup():
    before = signal.getsignal(signal.SIGHUP)
    yield
    signal.signal(signal.SIGHUP, before)


def test_a_hangup_is_counted(hangup):
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    with Interrupts() as interrupts:
        signal.raise_signal(signal.SIGHUP)
        assert interrupts.count == 1


def test_a_hangup_that_nohup_had_ignored_stays_ignored(hangup):
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with Interrupts() as interrupts:
        signal.raise_signal(signal.SIGHUP)
        assert interrupts.count == 0
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
