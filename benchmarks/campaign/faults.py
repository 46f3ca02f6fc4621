"""The faults, one function each: each injects its fault into a run at the chosen moment."""

import os
import resource
import shutil
import signal
import subprocess
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import psutil

from benchmarks.campaign.scene import Scene

Inject = Callable[[Scene, str], None]

DISK_MB = 48
SPARE_DESCRIPTORS = 1
SPARE_MEMORY = 4 << 20


def _nothing(_scene: Scene, _target: str) -> None:
    """No fault, or a limit that is set from the start."""


def _signalled(number: signal.Signals) -> Inject:
    def inject(scene: Scene, target: str) -> None:
        for process in scene.find(target) if target == "everything" else scene.find(target)[:1]:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(number)

    return inject


def _disk_full(scene: Scene, _target: str) -> None:
    with suppress(OSError), (scene.place / "filler").open("wb", buffering=0) as file:
        for size in (65536, 512):
            with suppress(OSError):
                while file.write(b"\0" * size):
                    pass


def _disk_read_only(scene: Scene, _target: str) -> None:
    """Remount read-only, as the kernel does after a device error: also for open files."""
    device = subprocess.run(
        ["findmnt", "-no", "SOURCE", "--target", str(scene.place)], check=True, capture_output=True, text=True
    )
    Path(f"/sys/fs/ext4/{Path(device.stdout.strip()).name}/trigger_fs_error").write_text("injected", encoding="ascii")


def _removed(pattern: str) -> Inject:
    def inject(scene: Scene, _target: str) -> None:
        for path in sorted(scene.runs.glob(pattern)):
            shutil.rmtree(path, ignore_errors=True)

    return inject


def _descriptors_shrunk(scene: Scene, target: str) -> None:
    process = scene.find(target)[0]
    most = process.num_fds() + SPARE_DESCRIPTORS
    resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (most, most))


def _memory_shrunk(scene: Scene, target: str) -> None:
    process = scene.find(target)[0]
    most = process.memory_info().vms + SPARE_MEMORY
    resource.prlimit(process.pid, resource.RLIMIT_AS, (most, most))


FAULTS: Mapping[str, Inject] = {
    "none": _nothing,
    **{name: _signalled(signal.Signals[f"SIG{name}"]) for name in ("KILL", "STOP", "TERM", "HUP")},
    "disk_full": _disk_full,
    "disk_read_only": _disk_read_only,
    "run_removed": _removed("*/0*"),
    "study_removed": _removed("*"),
    "server_removed": _removed("*/*/server-*"),
    "logs_removed": _removed("*/*/log"),
    "few_descriptors": _nothing,
    "little_memory": _nothing,
    "descriptors_shrunk": _descriptors_shrunk,
    "memory_shrunk": _memory_shrunk,
}

NEEDS_DISK = frozenset({"disk_full", "disk_read_only"})


def limit(fault: str, target: str) -> Callable[[], None] | None:
    """The function that sets a limit for the whole run in the child before exec; None: no limit."""
    if fault == "few_descriptors":
        most = int(target)
        return lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    if fault == "little_memory":
        group = Path(f"/sys/fs/cgroup/memory/loadtests-campaign-{os.getpid()}")
        group.mkdir(exist_ok=True)
        (group / "memory.limit_in_bytes").write_text(f"{target}M", encoding="ascii")
        return lambda: (group / "cgroup.procs").write_text(str(os.getpid()), encoding="ascii") and None
    return None


def free_limit() -> None:
    """Remove the control group that this process created, if any."""
    with suppress(OSError):
        Path(f"/sys/fs/cgroup/memory/loadtests-campaign-{os.getpid()}").rmdir()
