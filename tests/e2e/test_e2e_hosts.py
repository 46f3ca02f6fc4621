"""Workers on several hosts, which are network namespaces with names and clocks of their own."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil
import pytest
from e2e_harness import Harness, loadtests, wait_for, write_scenario
from namespaces import Host, Network, network, require_namespaces

from loadtests.records.rundirectory import RunDirectory, run_directories

pytestmark = pytest.mark.e2e

SECRET = "the secret of several hosts"
AHEAD_S = 5000
PORT = 5557


@pytest.fixture
def hosts() -> Iterator[Network]:
    """A master's host with the pod, and two worker hosts; the clock of one is far ahead."""
    require_namespaces()
    with network() as made:
        for ahead_s in (0, 0, AHEAD_S):
            made.add(ahead_s)
        yield made


@contextmanager
def pod_on(host: Host) -> Iterator[str]:
    """The address of a reference pod that listens there."""
    read_end, write_end = os.pipe()
    command = [sys.executable, "-m", "loadtests.pod", "--host", host.address, "--ready-fd", str(write_end)]
    process = subprocess.Popen(
        host.command(*command),
        pass_fds=[write_end],
        env={**os.environ, "LOADTESTS_TOKEN_SECRET": SECRET, "LOADTESTS_CONTROL_TOKEN": SECRET},
    )
    os.close(write_end)
    try:
        with os.fdopen(read_end) as lines:
            yield json.loads(lines.readline())["url"]
    finally:
        for child in psutil.Process(process.pid).children(recursive=True):
            child.kill()
        process.kill()
        process.wait()


@contextmanager
def study(master: Host, runs: Path, scenario: Path, *options: str, workers: int = 2) -> Iterator[Harness]:
    """`loadtests run --master` on that host, in front of a pod there."""
    with pod_on(master) as url:
        hosts = ["--master", "--expect-workers", str(workers), "--bind", f"{master.address}:{PORT}"]
        target = ["--target", url, "--label", "candidate", "--i-own", master.address]
        arguments = ["run", str(scenario), *target, *hosts, *options]
        who = master.account(LOADTESTS_TOKEN_SECRET=SECRET)
        with loadtests(*arguments, runs=runs, who=who) as harness:
            yield harness


@contextmanager
def worker(
    host: Host, runs: Path, *, secret: str = SECRET, address: str = f"10.77.0.1:{PORT}", **environment: str
) -> Iterator[Harness]:
    if secret:
        environment["LOADTESTS_TOKEN_SECRET"] = secret
    who = host.account(LOADTESTS_REMOTE_WORKER="1", **environment)
    with loadtests("run", "--worker", address, runs=runs, who=who) as harness:
        yield harness


def ended(run: RunDirectory) -> list[int]:
    return [row["ended_ns"] for batch in run.batches("operations") for row in batch.to_pylist()]


def arrivals(run: RunDirectory) -> int:
    return sum(stage["arrivals_begun"] for stage in run.read("end")["load"]["stages"])


def test_workers_on_two_hosts_serve_every_run_as_one_host_does(hosts: Network, tmp_path: Path) -> None:
    scenario = write_scenario(tmp_path, 2)
    master, near, ahead = hosts.hosts
    with ExitStack() as stack:
        workers = [stack.enter_context(worker(host, tmp_path / host.name)) for host in (near, ahead)]
        harness = stack.enter_context(study(master, tmp_path / "runs", scenario, "--rounds", "2"))
        assert harness.finish(50) == 0, harness.stderr
        assert [w.finish(20) for w in workers] == [0, 0], [w.stderr for w in workers]
        assert all("the study is over" in w.stderr for w in workers)
    runs = run_directories(harness.study())
    assert len(runs) == 2
    for run in runs:
        manifest, end = run.read("manifest"), run.read("end")
        assert end["reason"] == "completed", end
        assert end["operations"]["lost"] == 0
        by_host = {w["host"]: w for w in manifest["generator"]["workers"]}
        assert {name: w["address"] for name, w in by_host.items()} == {"host-2": "10.77.0.2", "host-3": "10.77.0.3"}
        assert abs(by_host["host-3"]["offset_ns"] - AHEAD_S * 10**9) <= by_host["host-3"]["error_ns"] + 1_000_000
        assert max(ended(run)) - min(ended(run)) < 60 * 10**9, "rows of both hosts are on one clock"
    with loadtests("run", str(scenario), "--storage", "memory", runs=tmp_path / "one") as one:
        assert one.finish() == 0, one.stderr
    (alone,) = run_directories(one.study())
    assert {arrivals(run) for run in runs} == {arrivals(alone)}


DELAY_S = 0.1
WRONG_WALL_CLOCK = """\
import time
now, now_ns = time.time, time.time_ns
time.time, time.time_ns = (lambda: now() - 7200), (lambda: now_ns() - 7200 * 10**9)
"""
"""A `sitecustomize` for the processes of a host. libfaketime does not do: with it time.sleep raises OSError."""


def test_a_slow_link_and_wrong_clocks_change_no_total_and_no_time(hosts: Network, tmp_path: Path) -> None:
    scenario, (master, near, ahead) = write_scenario(tmp_path, 3), hosts.hosts
    (tmp_path / "sitecustomize.py").write_text(WRONG_WALL_CLOCK)
    slow = {"address": f"127.0.0.1:{PORT + 1}", "PYTHONPATH": str(tmp_path)}
    with ExitStack() as stack:
        stack.enter_context(slow_link(ahead, PORT + 1))
        workers = [
            stack.enter_context(worker(near, tmp_path / "near")),
            stack.enter_context(worker(ahead, tmp_path / "slow", **slow)),
        ]
        harness = stack.enter_context(study(master, tmp_path / "runs", scenario))
        assert harness.finish(50) == 0, harness.stderr
        assert [w.finish(30) for w in workers] == [0, 0], [w.stderr for w in workers]
    (run,) = run_directories(harness.study())
    manifest, end = run.read("manifest"), run.read("end")
    (far,) = [w for w in manifest["generator"]["workers"] if w["host"] == "host-3"]
    assert DELAY_S <= far["error_ns"] / 1e9 < 0.5
    assert abs(far["offset_ns"] - AHEAD_S * 10**9) <= far["error_ns"]
    assert end["operations"]["lost"] == 0
    assert [s["arrivals_begun"] for s in end["load"]["stages"]] == [s["arrivals"] for s in end["load"]["stages"]]
    rows = [row for batch in run.batches("operations") for row in batch.to_pylist()]
    assert all(row["ended_ns"] >= row["planned_ns"] for row in rows if row["planned_ns"] is not None)
    slack_ns = far["error_ns"] + 10**9
    assert all(-slack_ns < row["ended_ns"] < end["ended_ns"] + slack_ns for row in rows)


@contextmanager
def slow_link(host: Host, port: int) -> Iterator[None]:
    script = Path(__file__).with_name("slow_link.py")
    arguments = [str(script), str(port), f"10.77.0.1:{PORT}", str(DELAY_S)]
    process = subprocess.Popen(host.command(sys.executable, *arguments))
    try:
        yield
    finally:
        for child in psutil.Process(process.pid).children(recursive=True):
            child.kill()
        process.kill()
        process.wait()


def test_a_killed_worker_is_named_with_its_host_and_replaced(hosts: Network, tmp_path: Path) -> None:
    scenario, (master, near, other) = write_scenario(tmp_path, 5), hosts.hosts
    with ExitStack() as stack:
        first = stack.enter_context(worker(near, tmp_path / "first"))
        killed = stack.enter_context(worker(other, tmp_path / "killed"))
        harness = stack.enter_context(study(master, tmp_path / "runs", scenario, "--rounds", "2"))
        harness.wait_for_rows()
        killed.child("-m loadtests run", "--worker").kill()
        second = stack.enter_context(worker(other, tmp_path / "second"))
        assert harness.finish(50) == 70, harness.stderr
        assert [w.finish(20) for w in (first, second)] == [0, 0], (first.stderr, second.stderr)
    one, two = run_directories(harness.study())
    assert one.read("end")["reason"] == "worker_lost"
    assert re.search(r"worker [01] on host-3 \(10\.77\.0\.3\) was lost", one.read("end")["detail"])
    assert "on host-3 (10.77.0.3) was lost" in harness.stderr
    assert two.read("end")["reason"] == "completed"


def test_a_host_whose_link_is_down_is_named(hosts: Network, tmp_path: Path) -> None:
    scenario, (master, near, other) = write_scenario(tmp_path, 60), hosts.hosts
    with ExitStack() as stack:
        for host in (near, other):
            stack.enter_context(worker(host, tmp_path / host.name))
        harness = stack.enter_context(study(master, tmp_path / "runs", scenario))
        harness.wait_for_rows()
        other.set_link("down")
        wait_for(lambda: harness.directory() and harness.directory().read("end"), 50)  # type: ignore[union-attr]
        assert harness.finish(10) == 70, harness.stderr
    end = harness.end()
    assert end["reason"] == "worker_lost"
    assert re.search(r"worker [01] on host-3 \(10\.77\.0\.3\) was lost: the connection broke", end["detail"])
    assert end["operations"]["lost"] is None


def test_a_refused_worker_is_reported_on_both_terminals(hosts: Network, tmp_path: Path) -> None:
    scenario, (master, near, other) = write_scenario(tmp_path, 2), hosts.hosts
    with ExitStack() as stack:
        without = stack.enter_context(worker(near, tmp_path / "without", secret=""))
        wrong = stack.enter_context(worker(other, tmp_path / "wrong", secret="another"))
        harness = stack.enter_context(study(master, tmp_path / "runs", scenario, "--wait", "600", workers=1))
        assert (without.finish(30), wrong.finish(30)) == (64, 64), (without.stderr, wrong.stderr)
        interrupt(harness)
        assert harness.finish(20) == 130, harness.stderr
    assert "refused this worker: it needs LOADTESTS_TOKEN_SECRET in its environment" in without.stderr
    assert "refused the worker on host-2 (10.77.0.2): it needs LOADTESTS_TOKEN_SECRET" in harness.stderr
    assert "refused the worker on host-3 (10.77.0.3): its LOADTESTS_TOKEN_SECRET is not that" in harness.stderr
    assert not list((tmp_path / "runs").glob("*")), "no study was made"


def interrupt(harness: Harness) -> None:
    """Ctrl-C of the command itself: what put it into its namespace does not pass signals on."""
    harness.child("-m loadtests run", "--master").send_signal(signal.SIGINT)
