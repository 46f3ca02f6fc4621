from pathlib import Path

from trees import V2_MOUNTS, version_1, version_2

from loadtests.limits.cgroups import (
    Throttling,
    cpu_quota,
    memory_limit,
    out_of_memory_kills,
    tasks_left,
    throttling,
)

_NO_LIMIT_V1 = "9223372036854771712\n"


def test_version_1_lowest_quota_on_the_way_up_counts(tmp_path: Path):
    root = version_1(tmp_path, {
        "cpu,cpuacct/jobs/cpu.cfs_quota_us": "50000\n",
        "cpu,cpuacct/jobs/cpu.cfs_period_us": "100000\n",
        "cpu,cpuacct/jobs/cpu.stat": "nr_periods 40\nnr_throttled 10\nthrottled_time 3000000000\n",
        "cpu,cpuacct/jobs/one/cpu.cfs_quota_us": "-1\n",
        "cpu,cpuacct/jobs/one/cpu.cfs_period_us": "100000\n",
        "cpu,cpuacct/jobs/one/cpu.stat": "nr_periods 0\nnr_throttled 0\nthrottled_time 0\n",
    })  # fmt: skip
    assert cpu_quota(root=root) == 0.5
    assert throttling(root=root) == Throttling(40, 10, 3_000_000_000)


def test_version_1_memory_and_tasks(tmp_path: Path):
    root = version_1(tmp_path, {
        "memory/memory.limit_in_bytes": _NO_LIMIT_V1,
        "memory/jobs/memory.limit_in_bytes": "1000000\n",
        "memory/jobs/one/memory.limit_in_bytes": _NO_LIMIT_V1,
        "memory/jobs/one/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n",
        "pids/jobs/pids.max": "100\n",
        "pids/jobs/pids.current": "60\n",
        "pids/jobs/one/pids.max": "max\n",
        "pids/jobs/one/pids.current": "60\n",
    })  # fmt: skip
    assert memory_limit(root=root) == 1_000_000
    assert out_of_memory_kills(root=root) == 3
    assert tasks_left(root=root) == 40


def test_version_2_quota_throttling_memory_and_tasks(tmp_path: Path):
    root = version_2(tmp_path, {
        "cgroup.controllers": "cpu memory pids\n",
        "user.slice/cpu.max": "150000 100000\n",
        "user.slice/cpu.stat": "usage_usec 9\nnr_periods 7\nnr_throttled 5\nthrottled_usec 4000\n",
        "user.slice/memory.max": "2000000\n",
        "user.slice/pids.max": "12\n",
        "user.slice/pids.current": "12\n",
        "user.slice/load.scope/cpu.max": "max 100000\n",
        "user.slice/load.scope/cpu.stat": "usage_usec 9\n",
        "user.slice/load.scope/memory.max": "max\n",
        "user.slice/load.scope/memory.current": "1\n",
        "user.slice/load.scope/memory.events": "low 0\noom 2\noom_kill 1\n",
        "user.slice/load.scope/pids.max": "max\n",
        "user.slice/load.scope/pids.current": "3\n",
    })  # fmt: skip
    assert cpu_quota(root=root) == 1.5
    assert throttling(root=root) == Throttling(7, 5, 4_000_000)
    assert memory_limit(root=root) == 2_000_000
    assert out_of_memory_kills(root=root) == 1
    assert tasks_left(root=root) == 0


def test_container_that_sees_its_group_as_the_topmost(tmp_path: Path):
    """Docker without a namespace of its own: /proc names a path that is not visible, the mount is the group itself."""
    files = {"cpu.max": "25000 100000\n", "cpu.stat": "nr_periods 1\n", "memory.current": "1\n", "memory.max": "77\n"}
    mounts = V2_MOUNTS.replace("0:28 /", "0:28 /docker/abc")
    root = version_2(tmp_path, files, groups="0::/docker/abc\n", mounts=mounts)
    assert cpu_quota(root=root) == 0.25
    assert memory_limit(root=root) == 77


def test_group_outside_of_the_own_namespace(tmp_path: Path):
    root = version_2(tmp_path, {"cpu.max": "25000 100000\n", "cpu.stat": "nr_periods 1\n"}, groups="0::/../other\n")
    assert cpu_quota(root=root) == 0.25


def test_hybrid_host_has_its_controllers_in_version_1(tmp_path: Path):
    root = version_1(tmp_path, {
        "cpu,cpuacct/jobs/one/cpu.cfs_quota_us": "200000\n",
        "cpu,cpuacct/jobs/one/cpu.cfs_period_us": "100000\n",
        "unified/cpu.stat": "usage_usec 1\n",
    })  # fmt: skip
    assert cpu_quota(root=root) == 2.0


def test_no_control_groups_no_limits(tmp_path: Path):
    assert cpu_quota(root=tmp_path) is None
    assert throttling(root=tmp_path) is None
    assert memory_limit(root=tmp_path) is None
    assert tasks_left(root=tmp_path) is None
    assert out_of_memory_kills(root=tmp_path) == 0
