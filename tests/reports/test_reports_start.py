"""Commands whose exit code 1 is a verdict, in a broken installation."""

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize(
    ("command", "broken"),
    [("gate", "numpy"), ("report", "pandas"), ("gate", "loadtests.environment"), ("report", "loadtests.environment")],
)
def test_failed_start_gives_no_verdict(command: str, broken: str, tmp_path: Path) -> None:
    code = (
        "import sys\n"
        f"sys.modules[{broken!r}] = None\n"  # as if it were not installed
        f"from reports import commands; sys.exit(commands.{command}())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 70, done.stderr
    assert f"loadtests-{command}: cannot start: ModuleNotFoundError" in done.stderr
    assert "Traceback" not in done.stderr
