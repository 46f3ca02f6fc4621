"""What ends a run from the outside, and what does not."""

import asyncio
import os
import signal
import subprocess
import time

import pytest

from loadtests.conductor.watching import Interrupts, watching


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


@pytest.fixture
def interrupts():
    with Interrupts() as interrupts:
        yield interrupts


def waited_until(watch, condition):
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        watch.wait(1.0)


def test_an_exit_is_reported_once_also_of_a_process_that_has_gone(interrupts):
    exits = []
    with watching(interrupts) as watch, subprocess.Popen(["sleep", "60"]) as process:
        watch.on_death(process.pid, lambda: exits.append("exited"))
        process.kill()
        waited_until(watch, lambda: exits)
        process.wait()
        watch.on_death(process.pid, lambda: exits.append("gone"))
    assert exits == ["exited", "gone"]


def test_a_signal_ends_the_wait(interrupts):
    with watching(interrupts) as watch:
        began = time.monotonic()
        signal.raise_signal(signal.SIGTERM)
        watch.wait(60.0)
    assert time.monotonic() - began < 30
    assert interrupts.count == 1


def test_the_wait_ends_when_its_time_is_over(interrupts):
    with watching(interrupts) as watch:
        watch.wait(0.0)
        watch.wait(0.01)


def test_the_error_of_a_call_is_raised_by_the_wait(interrupts):
    reading, writing = os.pipe()
    with watching(interrupts) as watch:
        watch.on_readable(reading, lambda: 1 // 0)
        os.write(writing, b"x")
        with pytest.raises(ZeroDivisionError):
            watch.wait(20.0)
        watch.forget_readable(reading)
        watch.wait(0.01)
    os.close(reading)
    os.close(writing)


def test_tasks_go_on_while_the_conductor_waits(interrupts):
    steps = []

    async def task():
        for step in range(3):
            await asyncio.sleep(0.01)
            steps.append(step)

    with watching(interrupts) as first:
        running = interrupts.loop.create_task(task())
        waited_until(first, lambda: steps or first.wait(0.01))
    with watching(interrupts) as second:
        waited_until(second, lambda: running.done() or second.wait(0.01))
    assert steps == [0, 1, 2]
