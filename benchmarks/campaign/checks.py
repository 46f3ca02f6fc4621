"""Invariants after a fault: facts about a finished trial in, violations out. Pure."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from benchmarks.campaign.plan import CALIBRATION, END, HARNESS, LOAD, START, Trial
from loadtests.conductor.failures import EXIT_CODES

ENDED_WITHIN_S = 30.0
_RUN_S = {START: 45.0, CALIBRATION: 30.0, LOAD: 8.0, END: 0.0}
"""Time of a run that completes despite its fault: calibration, six seconds of load, the ledger."""

_NEEDED = ("pod", "database", "observer", "master", "worker")
"""Processes without which a run cannot complete. It can without its conductor for some seconds: the load continues."""

_REASONS = {
    "pod": {"pod_died"},
    "database": {"database_died"},
    "server_supervisor": {"database_died"},
    "observer": {"observer_died"},
    "conductor": {"interrupted"},
}
"""Reasons of the end when a process exits during the run. With an ignored signal the run may also complete."""

_HARMLESS = {("HUP", "database"), ("HUP", "database_child")}
"""PostgreSQL and MariaDB read their configuration again at SIGHUP, Redis ignores it."""


@dataclass(frozen=True)
class Facts:
    """Facts about a trial. `ended_s` counts from the fault; None: still running at the time limit."""

    trial: Trial
    injected: bool
    ended_s: float | None
    exit_code: int | None
    end: dict[str, Any] | None
    gate: int
    missing: int
    """Requests that the pod served and have no row."""
    left: list[str] = field(default_factory=list)
    """Processes and files that were left behind."""
    damaged: list[str] = field(default_factory=list)
    """Files that cannot be read."""
    stderr: str = ""

    @property
    def reason(self) -> str | None:
        return None if self.end is None else str(self.end["reason"])


def violations(facts: Facts) -> list[str]:
    """Violations, one sentence each; empty when all invariants hold."""
    return [sentence for check in CHECKS for sentence in check(facts)]


def _injected(facts: Facts) -> list[str]:
    return [] if facts.injected else ["the fault was not injected: the run was over first"]


def _ended(facts: Facts) -> list[str]:
    within_s = ENDED_WITHIN_S + (_RUN_S[facts.trial.moment] if facts.reason == "completed" else 0.0)
    if facts.ended_s is None or facts.ended_s > within_s:
        return [f"still running {within_s:g} s after the fault"]
    return []


def _control(facts: Facts) -> list[str]:
    if facts.trial.fault == "none" and (facts.exit_code, facts.reason, facts.gate) != (0, "completed", 0):
        return [f"a run without a fault: exit {facts.exit_code}, {facts.reason}, gate {facts.gate}"]
    return []


def _exit_code(facts: Facts) -> list[str]:
    trial = facts.trial
    if facts.exit_code is None:
        return []
    if trial.fault == "KILL" and trial.target in ("conductor", "everything"):
        return [] if facts.exit_code == -9 else [f"exit {facts.exit_code} of a killed conductor"]
    if trial.fault == "little_memory" and facts.exit_code == -9:
        return []  # the kernel chose the conductor
    if facts.end is None:
        refused = facts.exit_code in (64, 69, 70, 130)
        return [] if refused else [f"exit {facts.exit_code} without an end.json"]
    if facts.exit_code != EXIT_CODES[facts.end["reason"]]:
        return [f"exit {facts.exit_code} where {facts.reason} stands in end.json"]
    return []


def _reason(facts: Facts) -> list[str]:
    trial = facts.trial
    expected = _REASONS.get(trial.target)
    ended = trial.fault in ("KILL", "TERM", "HUP") and (trial.fault, trial.target) not in _HARMLESS
    if not ended or expected is None or facts.reason is None or trial.moment == END:
        return []
    return [] if facts.reason in expected else [f"{facts.reason}, expected {' or '.join(sorted(expected))}"]


def _no_false_pass(facts: Facts) -> list[str]:
    trial = facts.trial
    if facts.gate != 0 or trial.fault == "none":
        return []
    if facts.exit_code != 0:
        return [f"the gate passes a run that ended with {facts.exit_code}"]
    cut = trial.fault in ("KILL", "STOP") and trial.target in _NEEDED and trial.moment == LOAD
    return ["the gate passes a damaged run"] if cut else []


def _no_false_blame(facts: Facts) -> list[str]:
    ours = facts.trial.target in HARNESS or facts.trial.fault in ("disk_full", "disk_read_only")
    return ["the gate fails the storage for a fault of the harness"] if ours and facts.gate == 1 else []


def _gate_answers(facts: Facts) -> list[str]:
    return [] if facts.gate in (0, 1, 2, 64, 69) else [f"the gate itself ended with {facts.gate}"]


def _lost(facts: Facts) -> list[str]:
    if facts.end is None:
        return []
    operations = facts.end["operations"]
    bound = operations.get("lost_at_most") if operations["lost"] is None else operations["lost"]
    if bound is not None and facts.missing > bound:
        return [f"{facts.missing} rows are missing, end.json admits {bound}"]
    return []


def _nothing_left(facts: Facts) -> list[str]:
    # No file can be removed from a disk that is read-only.
    lasting = [thing for thing in facts.left if thing.startswith("process") or facts.trial.fault != "disk_read_only"]
    return [f"left behind: {thing}" for thing in lasting]


def _readable(facts: Facts) -> list[str]:
    return [f"unreadable: {file}" for file in facts.damaged]


def _no_traceback(facts: Facts) -> list[str]:
    return ["a Python traceback on the terminal"] if "Traceback (most recent call last)" in facts.stderr else []


CHECKS: tuple[Callable[[Facts], list[str]], ...] = (
    _injected,
    _ended,
    _control,
    _exit_code,
    _reason,
    _no_false_pass,
    _no_false_blame,
    _gate_answers,
    _lost,
    _nothing_left,
    _readable,
    _no_traceback,
)
