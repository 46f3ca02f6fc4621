"""Trees of files as the kernel shows them, for tests of what reads them."""

from collections.abc import Mapping
from pathlib import Path

V1_MOUNTS = """\
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
39 31 0:36 / /sys/fs/cgroup/pids rw,relatime - cgroup cgroup rw,pids
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
"""
V1_GROUPS = "8:pids:/jobs/one\n4:memory:/jobs/one\n1:cpu,cpuacct:/jobs/one\n0::/\n"

V2_MOUNTS = "31 23 0:28 / /sys/fs/cgroup rw,relatime shared:9 - cgroup2 cgroup2 rw,nsdelegate\n"
V2_GROUPS = "0::/user.slice/load.scope\n"


def write_tree(root: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


def version_1(root: Path, files: Mapping[str, str]) -> Path:
    """`files`: below /sys/fs/cgroup."""
    own = {"proc/self/mountinfo": V1_MOUNTS, "proc/self/cgroup": V1_GROUPS}
    return write_tree(root, {**own, **{f"sys/fs/cgroup/{name}": text for name, text in files.items()}})


def version_2(root: Path, files: Mapping[str, str], *, groups: str = V2_GROUPS, mounts: str = V2_MOUNTS) -> Path:
    """`files`: below /sys/fs/cgroup."""
    own = {"proc/self/mountinfo": mounts, "proc/self/cgroup": groups}
    return write_tree(root, {**own, **{f"sys/fs/cgroup/{name}": text for name, text in files.items()}})
