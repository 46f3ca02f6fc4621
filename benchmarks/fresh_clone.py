"""From a fresh clone to the page of the default scenario, packages downloaded: the newcomer's `make compare`."""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks._figures import show

HERE = Path(__file__).parent.parent
LIMIT_S = 300.0


def seconds(*command: str, at: Path, **environment: str) -> tuple[float, str]:
    """How long a command takes, and the last line that it prints. Raises CalledProcessError when it fails."""
    # What `make bench` exports to its children does not apply to a make in the clone.
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    began = time.monotonic()
    done = subprocess.run(
        command, cwd=at, env={**inherited, **environment}, stdout=subprocess.PIPE, text=True, check=True
    )
    return time.monotonic() - began, "".join(done.stdout.splitlines()[-1:])


def main() -> int:
    with tempfile.TemporaryDirectory() as directory:
        clone = Path(directory) / "clone"
        cloning_s, _ = seconds("git", "clone", "--quiet", str(HERE), str(clone), at=HERE)
        setting_up_s, _ = seconds("make", "setup", at=clone, PIP_NO_CACHE_DIR="1")
        comparing_s, page = seconds("make", "compare", at=clone)
        if not (clone / page).is_file():
            raise FileNotFoundError(f"make compare named no page: {page!r}")
    total_s = cloning_s + setting_up_s + comparing_s
    show("  of it set-up, every package downloaded", setting_up_s, "s", "-", True)
    reached = show("fresh clone to open page, default scenario", total_s, "s", f"≤ {LIMIT_S:g}", total_s <= LIMIT_S)
    return 0 if reached else 1


if __name__ == "__main__":
    sys.exit(main())
