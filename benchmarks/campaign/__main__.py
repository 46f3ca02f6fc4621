"""Inject hundreds of faults into short runs, one in each, and check invariants afterwards.

`python -m benchmarks.campaign [--trials N] [--jobs N] [--seed N] [--only WORD …] [--keep DIR]` prints a table of faults
and their violations; a line of JSON for each trial goes to `--results FILE`. Exit code 1 when anything was violated.
Needs root for small disks and memory limits.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.campaign.plan import Trial, controls, trials

_TRIAL_WITHIN_S = 240.0


def main() -> int:
    options = _options()
    if os.geteuid() != 0:
        print(
            "campaign: needs root: small disks and memory limits are made with mount and control groups",
            file=sys.stderr,
        )
        return 69
    chosen = [t for t in [*controls(), *trials(options.trials, options.seed)] if all(w in str(t) for w in options.only)]
    work = Path(tempfile.mkdtemp(prefix="campaign-", dir=options.keep))
    work.chmod(0o755)
    outcomes = []
    with options.results.open("w", encoding="utf-8") as results:
        for outcome in _run_all(chosen, options.jobs, work):
            outcomes.append(outcome)
            print(json.dumps(outcome), file=results, flush=True)
            _show_progress(outcome, len(outcomes), len(chosen))
    if options.keep is None:
        shutil.rmtree(work, ignore_errors=True)
    _show_table(outcomes)
    return 1 if any(outcome["violations"] for outcome in outcomes) else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.campaign", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--trials", type=int, default=300)
    parser.add_argument("--jobs", type=int, default=2, help="trials side by side")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", nargs="*", default=[], help="words that a trial's name must hold")
    parser.add_argument("--keep", type=Path, help="keep every trial's files below this directory")
    parser.add_argument("--results", type=Path, default=Path(os.devnull), help="where a line of JSON a trial goes")
    return parser.parse_args()


def _run_all(chosen: Sequence[Trial], jobs: int, work: Path) -> Iterator[dict[str, Any]]:
    """Outcomes in the order of the plan."""
    with ThreadPoolExecutor(jobs) as pool:
        yield from pool.map(lambda numbered: _run(numbered[1], work / f"{numbered[0]:03}"), enumerate(chosen))


def _run(trial: Trial, place: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.campaign.trial", str(place), json.dumps(trial.as_json())]
    try:
        # A mount namespace of its own: its mounts disappear with it.
        done = subprocess.run(
            ["unshare", "--mount", *command], capture_output=True, text=True, timeout=_TRIAL_WITHIN_S, check=True
        )
        outcome: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    except (subprocess.SubprocessError, ValueError, IndexError) as error:
        wrong = f"the trial itself failed: {error} {getattr(error, 'stderr', '')}"
        outcome = {"trial": trial.as_json(), "violations": [wrong], "exit_code": None, "gate": None, "end": None}
    return outcome


def _show_progress(outcome: dict[str, Any], number: int, of: int) -> None:
    end = outcome["end"] or {}
    result = f"exit {outcome['exit_code']}, {end.get('reason', 'no end.json')}, gate {outcome['gate']}"
    wrong = "".join(f"\n    VIOLATED: {v}" for v in outcome["violations"])
    print(f"[{number}/{of}] {Trial(**outcome['trial'])}: {result}{wrong}", file=sys.stderr, flush=True)


def _show_table(outcomes: Sequence[dict[str, Any]]) -> None:
    rows: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for outcome in outcomes:
        rows[outcome["trial"]["fault"], outcome["trial"]["target"]].append(outcome)
    table = Table("fault", "in", "trials", "held", "ended as", "gate")
    for (fault, target), some in sorted(rows.items()):
        held = sum(not outcome["violations"] for outcome in some)
        table.add_row(fault, target, str(len(some)), str(held), _tally(some, _ended_as), _tally(some, _verdict))
    table.add_section()
    table.add_row("all", "", str(len(outcomes)), str(sum(not o["violations"] for o in outcomes)), "", "")
    Console(width=150).print(table)


def _tally(outcomes: Sequence[dict[str, Any]], name: Any) -> str:
    counts: dict[str, int] = defaultdict(int)
    for outcome in outcomes:
        counts[name(outcome)] += 1
    return ", ".join(f"{value} {count}" for value, count in sorted(counts.items()))


def _ended_as(outcome: dict[str, Any]) -> str:
    return str((outcome["end"] or {}).get("reason", f"exit {outcome['exit_code']}"))


def _verdict(outcome: dict[str, Any]) -> str:
    return {0: "pass", 1: "fail", 2: "unknown"}.get(outcome["gate"], str(outcome["gate"]))


if __name__ == "__main__":
    sys.exit(main())
