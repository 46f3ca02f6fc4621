"""What the harness itself runs on: host, packages, commit."""

import importlib.metadata
import os
import platform
import re
import subprocess
from pathlib import Path
from typing import Any

import psutil

from loadtests.environment import child_environment
from loadtests.limits import descriptors
from loadtests.limits.memory import total_bytes
from loadtests.limits.processors import allowed_cores

DISTRIBUTION = "messaging-pod-loadtests"
CHECKOUT = Path(__file__).resolve().parents[2]


def host() -> dict[str, Any]:
    return {
        "name": platform.node(),
        "kernel": f"{platform.system()} {platform.release()}",
        "cpu": _cpu_model(),
        "cores": len(os.sched_getaffinity(0)),
        "allowed_cores": allowed_cores(),
        "memory_bytes": psutil.virtual_memory().total,
        "allowed_memory_bytes": total_bytes(),
        "open_files": descriptors.limit(),
        "python": platform.python_version(),
    }


def _cpu_model() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return platform.machine()
    model = re.search(r"^(?:model name|Processor|cpu model)\s*:\s*(.+)$", text, re.MULTILINE)
    return model[1] if model else platform.machine()


def packages() -> dict[str, str]:
    """Name → version of every package that the harness itself asks for."""
    wanted = importlib.metadata.requires(DISTRIBUTION) or []
    names = {re.match(r"[A-Za-z0-9._-]+", line)[0] for line in wanted if "extra ==" not in line}  # type: ignore[index]
    return {name: version for name in sorted(names) if (version := version_of(name)) is not None}


def version_of(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def harness() -> dict[str, Any]:
    return {"version": version_of(DISTRIBUTION) or "unknown", "commit": _commit()}


def _commit() -> str | None:
    if not (CHECKOUT / ".git").exists():
        return None
    # Without the user's configuration, in which a checkout of another account may be declared safe.
    command = ["git", "-C", str(CHECKOUT), "-c", f"safe.directory={CHECKOUT}", "rev-parse", "HEAD"]
    try:
        environment = child_environment({})
        done = subprocess.run(command, capture_output=True, text=True, timeout=5, check=False, env=environment)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None
