"""Run each fault of the reference pod, judge it, and show whether the verdict is `fail` and names the cause.

`python -m benchmarks.pathologies [NAME …] [--times N] [--healthy] [--runs DIR]`; `--healthy` runs the scenarios without
their faults, which must pass. Exit code 1 when one is missed, 64 for a name that is none.
"""

import argparse
import json
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from benchmarks.pathologies.outcome import Outcome, outcome
from loadtests.faultnames import FAULTS, FaultNameError, check_fault
from loadtests.pod.faults.contract import Fault, load_fault

SCENARIOS: Final = Path(__file__).parents[2] / "scenarios" / "pathologies"
_BIN: Final = Path(sys.executable).parent
_FAULTS: Final = re.compile(r"^faults: .*\n", re.MULTILINE)


def main(argv: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(argv)
    names = options.names or list(FAULTS)
    try:
        for name in names:
            check_fault(name)
    except FaultNameError as error:
        print(f"pathologies: {error}", file=sys.stderr)
        return 64
    outcomes = []
    for number, name in enumerate(name for _ in range(options.times) for name in names):
        print(f"{number + 1} of {options.times * len(names)}: {name}", file=sys.stderr)
        outcomes.append(_run(name, options.runs, None if options.healthy else load_fault(name)))
    _show(outcomes)
    return 0 if all(found.right for found in outcomes) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.pathologies", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="faults (default: all of them)")
    parser.add_argument("--times", type=int, default=1, help="runs of each (default: 1)")
    parser.add_argument("--healthy", action="store_true", help="without the faults: each scenario must pass")
    parser.add_argument("--runs", metavar="DIR", type=Path, default=Path("runs"), help="(default: runs)")
    return parser


def _run(name: str, runs: Path, fault: Fault | None) -> Outcome:
    scenario = SCENARIOS / f"{name}.yaml" if fault is not None else _without_faults(name, runs)
    argv = [_BIN / "loadtests", "run", "--runs", runs, "--", scenario]
    made = subprocess.run(argv, stdout=subprocess.PIPE, text=True, check=False)
    study = Path((made.stdout.splitlines() or [""])[-1])
    if made.returncode or not made.stdout:
        return outcome(name, fault, None, str(study))
    subprocess.run([_BIN / "loadtests-gate", "--", study], stdout=subprocess.DEVNULL, check=False)
    return outcome(name, fault, _verdict(study), str(study))


def _without_faults(name: str, runs: Path) -> Path:
    """The scenario of a healthy pod, with the objectives beside it."""
    place = runs / "healthy"
    place.mkdir(parents=True, exist_ok=True)
    for path in SCENARIOS.glob("*.yaml"):
        (place / path.name).write_text(_FAULTS.sub("", path.read_text(encoding="utf-8")), encoding="utf-8")
    return place / f"{name}.yaml"


def _verdict(study: Path) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = json.loads((study / "verdict.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found


def _show(outcomes: Sequence[Outcome]) -> None:
    table = Table("fault", "verdict", "expected", "named", "right?", "after s", "study")
    for found in outcomes:
        after = "-" if found.detected_s is None else f"{found.detected_s:.1f}"
        row = (found.name, found.verdict, found.expected or "pass", ", ".join(found.causes[:3]) or "-")
        table.add_row(*row, "yes" if found.right else "NO", after, Path(found.study).name)
    console = Console(width=None if sys.stdout.isatty() else 200)
    console.print(table)
    console.print(f"{sum(found.right for found in outcomes)} of {len(outcomes)} right")


if __name__ == "__main__":
    sys.exit(main())
