"""How long `loadtests-report` takes on large studies, and how much memory, in a process of its own.

`python -m benchmarks.report_scale [--rows N] [--beside TREE] [--rounds N] [--only TEXT]`. `--beside` measures another
checkout's code on the same studies as well, alternately (A B B A), with this interpreter and its libraries.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from benchmarks._figures import show
from benchmarks._operations_study import STORAGES, write_half_hour, write_operations_study

HERE = Path(__file__).parents[1]
_COMMAND = """
import os, sys, reports
from reports.commands import report
tree = os.path.dirname(os.path.dirname(reports.__file__))
sys.exit(report() if os.path.samefile(tree, ".") else f"expected the code of this directory, found that of {tree}")
"""


class Case(NamedTuple):
    """A study, and the most that its report may take: seconds and MiB."""

    name: str
    write: Callable[[Path], Path]
    most_s: float
    most_mib: float


class Cost(NamedTuple):
    """Seconds and peak MiB of one report."""

    seconds: float
    mib: float


def cases(rows: int) -> list[Case]:
    waits = rows // 50
    half_hour = f"{waits:,} lock waits in half an hour of {9 * waits:,} transactions"
    return [
        Case(f"{rows:,} operations, 3 storages x 2 rounds", lambda at: write_operations_study(at, rows), 20, 1024),
        Case(f"{rows:,} operations, 1 run", lambda at: write_operations_study(at, rows, STORAGES[:1], 1), 20, 1024),
        Case(half_hour, lambda at: write_half_hour(at, 9 * waits, waits), 30, 1024),
    ]


def measure(tree: Path, study: Path) -> Cost:
    """Make the report with the code of a checkout, which is found before the installed one."""
    started = time.monotonic()
    command = [sys.executable, "-c", _COMMAND, str(study)]
    with subprocess.Popen(command, stdout=sys.stderr, cwd=tree) as child:
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        raise SystemExit(f"{tree}: loadtests-report ended with {child.returncode}")
    return Cost(time.monotonic() - started, usage.ru_maxrss / 1024)


def order(trees: list[Path], rounds: int) -> Iterator[Path]:
    """Each tree once a round, every other round in reverse order, so that a drift of the host affects all alike."""
    for number in range(rounds):
        yield from trees if number % 2 == 0 else reversed(trees)


def compare(case: Case, trees: list[Path], rounds: int) -> bool:
    """Measure one study with each tree; show medians. Return whether those of the first are within the limits."""
    with tempfile.TemporaryDirectory() as scratch:
        study = case.write(Path(scratch) / "study")
        costs: dict[Path, list[Cost]] = {tree: [] for tree in trees}
        for tree in order(trees, rounds):
            costs[tree].append(measure(tree, study))
    ok = True
    for column, name, unit, most in ((0, "time", "s", case.most_s), (1, "peak memory", "MiB", case.most_mib)):
        medians = [statistics.median(cost[column] for cost in costs[tree]) for tree in trees]
        ok &= show(f"report of {case.name}: {name}", medians[0], unit, f"<= {most}", medians[0] <= most)
        for tree, median in zip(trees[1:], medians[1:], strict=True):
            show(f"the same by {tree.name}: {name}", median, unit, "", True)
            show(f"{name} / that of {tree.name}", medians[0] / median, "ratio", "", True)
    return ok


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.report_scale", description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000, help="operations of the largest studies")
    parser.add_argument("--beside", type=Path, metavar="TREE", help="another checkout, measured alternately")
    parser.add_argument("--rounds", type=int, help="measurements of each tree (default: 1, with --beside 2)")
    parser.add_argument("--only", default="", metavar="TEXT", help="studies whose name contains this")
    options = parser.parse_args()
    trees = [HERE, options.beside.resolve()] if options.beside else [HERE]
    chosen = [case for case in cases(options.rows) if options.only in case.name]
    if not chosen:
        parser.error(f"--only: {options.only!r} is in the name of no study")
    ok = True
    for case in chosen:
        ok &= compare(case, trees, options.rounds or len(trees))
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
