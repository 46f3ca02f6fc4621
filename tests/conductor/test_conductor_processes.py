"""Real processes: started, waited for, stopped, and gone when their parent is."""

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from loadtests.conductor.failures import RunEnded
from loadtests.conductor.processes import ChildCommand, Starting, wait_until_ready
from loadtests.conductor.reaper import ProcessReaper
from loadtests.conductor.watching import Interrupts, Lines, watching


@pytest.fixture
def interrupts():
    with Interrupts() as caught:
        yield caught


@pytest.fixture
def reaper():
    with ProcessReaper() as one:
        yield one


def python(tmp_path: Path, code: str) -> ChildCommand:
    return ChildCommand("child", [sys.executable, "-c", code, "{ready}"], {"SECRET": "s3cret"}, tmp_path / "child.log")


def gone(pid: int, within_s: float = 5.0) -> bool:
    until = time.monotonic() + within_s
    while time.monotonic() < until:
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.02)
    return False


def test_a_ready_line_is_waited_for(tmp_path, reaper, interrupts):
    code = 'import os,sys,time; os.write(int(sys.argv[1]), b\'{"url": "ws://x"}\\n\'); time.sleep(60)'
    starting = Starting(python(tmp_path, code), reaper, "pod_died")
    child, ready = starting.child, wait_until_ready(starting, interrupts)
    child.kill()
    assert ready == {"url": "ws://x"}
    assert child.exit_code() == -9


def test_a_child_that_dies_first_is_quoted(tmp_path, reaper, interrupts):
    with pytest.raises(RunEnded) as ended:
        wait_until_ready(Starting(python(tmp_path, "raise SystemExit('no port left')"), reaper, "pod_died"), interrupts)
    assert ended.value.reason.code == "pod_died"
    assert "no port left" in ended.value.reason.log_tail
    assert "exit code 1" in ended.value.reason.detail


def test_a_child_that_a_signal_stopped_is_not_waited_for(tmp_path, reaper, interrupts):
    """It would be waited for as long as one that is slow, and nothing lets it go on."""
    code = "import os, signal; os.kill(os.getpid(), signal.SIGSTOP)"
    starting = Starting(python(tmp_path, code), reaper, "pod_died")
    with pytest.raises(RunEnded) as ended:
        wait_until_ready(starting, interrupts)
    assert ended.value.reason.code == "pod_died"
    assert ended.value.reason.detail == f"{starting.child.name} was stopped by a signal before it was ready"
    assert starting.child.exit_code() == -9


def test_an_interrupt_ends_the_waiting(tmp_path, reaper, interrupts):
    os.kill(os.getpid(), 2)
    starting = Starting(python(tmp_path, "import time; time.sleep(60)"), reaper, "pod_died")
    with pytest.raises(RunEnded) as ended:
        wait_until_ready(starting, interrupts)
    assert ended.value.reason.code == "interrupted"
    assert starting.child.exit_code() == -9


def test_the_death_of_any_process_is_seen(interrupts):
    stranger = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
    seen = []
    with watching(interrupts) as watch:
        watch.on_death(stranger.pid, lambda: seen.append(1))
        watch.wait(0.0)
        assert not seen
        stranger.kill()
        watch.wait(5.0)
    stranger.communicate()
    assert seen == [1]


def test_lines_come_whole_however_they_were_cut():
    reading, writing = os.pipe()
    lines = Lines(reading)
    # A file, not the bare descriptor: tests of other rooms import gevent's os.close, which closes some time later.
    with os.fdopen(writing, "wb", buffering=0) as writer:
        writer.write(b"one\ntw")
        assert lines.read() == [b"one"]
        writer.write(b"o\n")
    assert lines.read() == [b"two"]
    assert lines.ended
    lines.close()


HARNESS = """
import os, subprocess, sys, time
from pathlib import Path
from loadtests.conductor.reaper import ProcessReaper
from loadtests.conductor.processes import Child, ChildCommand
code = "import subprocess,sys,time; p=subprocess.Popen(['sleep','60']); print(p.pid, flush=True); time.sleep(60)"
log = Path(sys.argv[1])
child = Child(ChildCommand("child", [sys.executable, "-c", code], {}, log), ProcessReaper())
while not log.read_text().strip():
    time.sleep(0.02)
print(child.pid, log.read_text().strip(), flush=True)
time.sleep(60)
"""


def test_nothing_survives_a_killed_harness_grandchildren_included(tmp_path):
    harness = subprocess.Popen([sys.executable, "-c", HARNESS, tmp_path / "log"], stdout=subprocess.PIPE, text=True)
    child, grandchild = map(int, harness.stdout.readline().split())
    assert psutil.pid_exists(child)
    assert psutil.pid_exists(grandchild)
    harness.kill()
    harness.communicate()
    assert gone(child)
    assert gone(grandchild)


def test_stopped_reaper_is_killed_at_the_end():
    children = set(psutil.Process().children())
    reaper = ProcessReaper()
    (process,) = set(psutil.Process().children()) - children
    process.suspend()
    reaper.close()
    assert not process.is_running()
