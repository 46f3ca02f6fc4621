"""Workers on several hosts, which are network namespaces with names and clocks of their own."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil
import pytest
from e2e_harness import Harness, loadtests, write_scenario
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
def worker(host: Host, runs: Path, *options: str, secret: str = SECRET, address: str = "") -> Iterator[Harness]:
    who = host.account(LOADTESTS_REMOTE_WORKER="1", **({"LOADTESTS_TOKEN_SECRET": secret} if secret else {}))
    where = address or f"10.77.0.1:{PORT}"
    with loadtests("run", "--worker", where, *options, runs=runs, who=who) as harness:
        yield harness


def ended(run: RunDirectory) -> list[int]:
    return [row["ended_ns"] for batch in run.batches("operations") for row in batch.to_pylist()]


def arrivals(run: RunDirectory) -> int:
    return sum(stage["arrivals_begun"] for stage in run.read("end")["load"]["stages"])


def test_workers_on_two_hosts_serve_every_run_as_one_host_does(hosts: Network, tmp_path: Path) -> None:
    scenario = write_scenario(tmp_path, 3)
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
