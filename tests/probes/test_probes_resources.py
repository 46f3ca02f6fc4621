"""Processor time and memory of real processes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from loadtests.probes.resources import ResourcesProbe, Watched, tree_usage

WORK = "import time\nend = time.process_time() + 0.2\nwhile time.process_time() < end: pass\n"
PARENT = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {WORK!r}])\nprint(1, flush=True)\ninput()"


def test_ended_children_are_counted() -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdout
        parent.stdout.readline()
        usage = tree_usage(parent.pid)
        parent.communicate(b"\n")
    assert usage is not None
    assert usage.cpu_ns >= 190_000_000  # the child's 0.2 s, less a clock tick
    assert usage.rss_bytes > 2**20


def test_who_is_gone_uses_nothing() -> None:
    process = subprocess.Popen(["true"])
    process.wait()
    assert tree_usage(process.pid) is None


def test_shared_memory_counts_once(tmp_path: Path) -> None:
    import mmap

    with (tmp_path / "shared").open("w+b") as file:
        file.truncate(32 * 2**20)
        shared = mmap.mmap(file.fileno(), 32 * 2**20)
        shared.write(b"x" * 32 * 2**20)
        alone = tree_usage(os.getpid())
        code = (
            f"import mmap\nf = open({str(tmp_path / 'shared')!r}, 'r+b')\nm = mmap.mmap(f.fileno(), 0)\n"
            "s = sum(m[i] for i in range(0, len(m), 4096))\nprint(s, flush=True)\ninput()"
        )
        with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
            assert child.stdout
            child.stdout.readline()
            both = tree_usage(os.getpid())
            child.communicate(b"\n")
        shared.close()
    assert alone is not None
    assert both is not None
    assert both.rss_bytes - alone.rss_bytes < 32 * 2**20


def test_a_restarted_process_goes_on_where_the_last_one_ended() -> None:
    import asyncio

    probe = ResourcesProbe(lambda: 0, [Watched("pod", "pod-1", os.getpid())])
    before = asyncio.run(probe.sample())["resources"][0][3]
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as young:
        probe.watch(Watched("pod", "pod-1", young.pid))
        (after,) = asyncio.run(probe.sample())["resources"]
        young.communicate(b"\n")
    assert after[3] >= before > 0


@pytest.mark.parametrize("text", ["pod", "pod:a", "pod:a:b", "cat:a:1", "pod::1", "pod:a:-1"])
def test_bad_watches_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected ROLE:NAME:PID"):
        Watched.parse(text)


def test_names_may_hold_colons() -> None:
    assert Watched.parse("database:postgres:5432:77") == Watched("database", "postgres:5432", 77)
