"""Which processes share a clock, by the kernel that they run on. A leaf: standard library only."""

import os
from pathlib import Path
from typing import Final

MAX_HOST_NAME: Final = 64
"""Characters that are kept of the name that another host gives for itself."""


def host_identity() -> str:
    """The running kernel and its time namespace: processes with the same ones share CLOCK_MONOTONIC.

    `LOADTESTS_REMOTE_WORKER` makes a worker count as remote, to try that out on one host.
    """
    if os.environ.get("LOADTESTS_REMOTE_WORKER"):
        return "remote"
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return os.uname().nodename
    return f"{boot} {_time_namespace()}".strip()


def _time_namespace() -> str:
    """Containers may have a monotonic clock of their own; empty where the kernel knows no such namespaces."""
    try:
        return str(Path("/proc/self/ns/time").readlink())
    except OSError:
        return ""
