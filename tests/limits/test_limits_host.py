import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from trees import version_2, write_tree

from loadtests.limits import memory, ports, processors, tasks

TICK_NS = 1_000_000_000 // os.sysconf("SC_CLK_TCK")


def test_allowed_cores_are_those_of_the_quota(tmp_path: Path):
    root = version_2(tmp_path, {"cpu.max": "30000 100000\n", "cpu.stat": "nr_periods 1\n"}, groups="0::/\n")
    assert processors.allowed_cores(root) == 0.3
    assert processors.allowed_share(root) == 0.3


def test_allowed_cores_without_a_quota_are_those_of_the_affinity(tmp_path: Path):
    assert processors.allowed_cores(tmp_path) == len(os.sched_getaffinity(0))
    assert processors.allowed_share(tmp_path) == 1.0


def test_busy_time_counts_steal_and_neither_idle_nor_iowait_nor_guests_twice(tmp_path: Path):
    stat = "cpu  9 9 9 9 9 9 9 9 9 9\ncpu0 1 2 3 1000 500 4 5 6 1 1\ncpu1 7 0 0 0 0 0 0 0 0 0\nintr 5\n"
    root = write_tree(tmp_path, {"proc/stat": stat})
    assert processors.busy_ns([0], root) == 21 * TICK_NS
    assert processors.busy_ns([0, 1], root) == 28 * TICK_NS


def test_pressure_of_the_host_and_of_a_control_group(tmp_path: Path):
    line = "{} avg10=0.00 avg60=0.52 avg300=0.89 total={}\n"
    host = write_tree(tmp_path, {"proc/pressure/memory": line.format("some", 8) + line.format("full", 6)})
    assert processors.pressure_us("memory", host) == {"some": 8, "full": 6}
    own = version_2(
        tmp_path, {"cpu.stat": "nr_periods 1\n", "memory.pressure": line.format("some", 5)}, groups="0::/\n"
    )
    assert processors.pressure_us("memory", own) == {"some": 5}
    assert processors.pressure_us("io", own) == {}


def test_run_queue_wait_is_that_of_all_threads(tmp_path: Path):
    root = write_tree(tmp_path, {"proc/7/task/7/schedstat": "100 40 3\n", "proc/7/task/9/schedstat": "5 2 1\n"})
    assert processors.run_queue_wait_ns(7, root) == 42
    assert processors.run_queue_wait_ns(8, root) == 0


def test_memory_is_the_least_of_host_and_control_group(tmp_path: Path):
    host = write_tree(tmp_path, {"proc/meminfo": "MemFree: 1 kB\nMemTotal:    4000 kB\n"})
    assert memory.total_bytes(host) == 4000 * 1024
    group = version_2(tmp_path, {"memory.max": "2048000\n", "memory.current": "1\n"}, groups="0::/\n")
    assert memory.total_bytes(group) == 2_048_000


_TCP = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:9C40 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1
   1: 0100007F:9C41 0200007F:1F90 01 00000000:00000000 00:00000000 00000000     0        0 2 1
   2: 0100007F:9C42 0200007F:1F90 06 00000000:00000000 00:00000000 00000000     0        0 3 1
   3: 0100007F:9C43 0200007F:1F91 01 00000000:00000000 00:00000000 00000000     0        0 4 1
   4: 0100007F:1F90 0100007F:9C44 01 00000000:00000000 00:00000000 00000000     0        0 5 1
"""
_TCP6 = """\
  sl  local_address                         remote_address                        st tx_queue rx_queue
   0: 0000000000000000FFFF00000100007F:9C45 0000000000000000FFFF00000200007F:1F90 01 00000000:00000000
"""


def _net(tmp_path: Path) -> Path:
    return write_tree(tmp_path, {
        "proc/sys/net/ipv4/ip_local_port_range": "40000\t40009\n",
        "proc/sys/net/ipv4/ip_local_reserved_ports": "8080,40008-40009\n",
        "proc/net/tcp": _TCP,
        "proc/net/tcp6": _TCP6,
    })  # fmt: skip


def test_ports_in_use_towards_one_address_are_not_free(tmp_path: Path):
    """10 of the range, less 2 reserved, 1 that listens, and 3 towards 127.0.0.2:8080 (one closing, one by IPv6)."""
    assert ports.free_ports("127.0.0.2", 8080, _net(tmp_path)) == 4


def test_ports_towards_an_address_that_is_to_come(tmp_path: Path):
    assert ports.free_ports(None, 0, _net(tmp_path)) == 7


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("unshare") is None, reason="needs root and unshare")
def test_free_ports_are_those_that_the_kernel_gives():
    """In a network of its own with 20 ports: as many connections can be opened as were announced, give or take one."""
    script = """
import socket
from loadtests.limits.ports import free_ports
server = socket.create_server(("127.0.0.1", 7000), backlog=100)
held = [socket.create_connection(("127.0.0.1", 7000)) for _ in range(5)]
announced, opened = free_ports("127.0.0.1", 7000), 0
try:
    while True:
        held.append(socket.create_connection(("127.0.0.1", 7000)))
        opened += 1
except OSError as error:
    print(announced, opened, error.errno)
"""
    network = "ip link set lo up && sysctl -qw net.ipv4.ip_local_port_range='40000 40019' && exec \"$@\""
    argv = ["unshare", "-n", "sh", "-c", network, "sh", sys.executable, "-c", script]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no network namespace here: {done.stderr.strip()}")
    announced, opened, number = map(int, done.stdout.split())
    assert (announced, opened, number) == (15, 15, 99)


def test_tasks_of_an_ordinary_user_are_limited_by_rlimit_nproc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(os, "getuid", lambda: 4711)
    monkeypatch.setattr(resource, "getrlimit", lambda which: (10, 20))
    root = write_tree(tmp_path, {
        "proc/self/status": "CapEff:\t0000000000000000\n",
        "proc/5/status": "Uid:\t4711\t4711\t4711\t4711\nThreads:\t3\n",
        "proc/6/status": "Uid:\t0\t0\t0\t0\nThreads:\t3\n",
        "proc/loadavg": "0.1 0.1 0.1 1/300 77\n",
        "proc/sys/kernel/threads-max": "1000\n",
        "proc/sys/kernel/pid_max": "400\n",
    })  # fmt: skip
    assert tasks.free_tasks(root) == 7
    (root / "proc/self/status").write_text("CapEff:\t0000000001000000\n")
    assert tasks.free_tasks(root) == 100
