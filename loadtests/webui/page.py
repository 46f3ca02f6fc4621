"""The page `/run` of Locust's web UI: what the current run does, by our own figures. No script.

Not by Locust's statistics: workers send those on their own time, and the last of them after the run has ended.
"""

import shlex
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2

from loadtests.generator.live import Counts, LiveWindow
from loadtests.generator.masterrun import MasterRun
from loadtests.generator.ownrun import OwnRun
from loadtests.webui.control import Phase, RunControl

TEMPLATES = jinja2.Environment(
    loader=jinja2.PackageLoader("loadtests.webui", "templates"), autoescape=True, undefined=jinja2.StrictUndefined
)

_REFRESH_S = {Phase.READY: 5, Phase.ENDED: 0, Phase.FAILED: 0}
"""How often the page loads itself again, where that is not every two seconds; 0: the run has ended, nothing changes."""


@dataclass(frozen=True)
class OperationLine:
    """An operation in the table: how many since the start, percentiles (ms) of the last seconds, None without any."""

    operation: str
    count: int
    failed: int
    p50_ms: float | None
    p99_ms: float | None


def operation_lines(counts: Counts, window: LiveWindow) -> list[OperationLine]:
    """The operations that there were."""
    return [
        OperationLine(name, count, failed, window.percentile_ms(name, 50), window.percentile_ms(name, 99))
        for name, (count, failed) in counts.items()
    ]


def facts(run: OwnRun, load: MasterRun | None, phase: Phase, kind: str = "Storage") -> dict[str, str]:
    """What there is to say about a run, label → text; its end when it has ended. `kind` is what its
    subject is."""
    found = {"Scenario": run.scenario, kind: run.subject, "State": str(phase)}
    if phase in (Phase.SET_UP, Phase.FINISHING) and run.step:
        found["Step"] = run.step
    if load is not None and load.starts_ns is not None:
        found |= _facts_of_load(load, phase)
    if run.exit_code is not None:
        found |= {"Ended": run.explanation, "Exit code": str(run.exit_code)}
    if run.directory:
        study = shlex.quote(str(Path(run.directory).parent))
        before = "" if run.exit_code is not None else "once it has ended: "
        found |= {"Run directory": run.directory, "Report": f"{before}loadtests-report {study}"}
    return found


def _facts_of_load(load: MasterRun, phase: Phase) -> dict[str, str]:
    if not phase.busy:
        return {"Operations begun": str(load.workers.total("begun"))}
    tick = load.tick
    left_s = tick.get("left_s", load.timeline.duration_s) if phase is Phase.RUNNING else 0
    return {
        "Stage": load.stage.stage.name if load.stage is not None else "the first one begins",
        "Time left": f"{left_s:.0f} s",
        "Users": str(tick.get("users", 0)),
        "Operations begun": f"{tick.get('begun', 0)} ({tick.get('rate_per_s', 0)}/s)",
    }


def render(control: RunControl) -> str:
    """The page: the current run or the last one, and those before it."""
    run, load, phase = control.run, control.load, control.phase
    own = phase if run is control.conductor.current or not control.problems else _ended(run)
    kind = "Target" if control.target else "Storage"
    lines = operation_lines(load.workers.counts(), load.window) if load is not None else []
    return TEMPLATES.get_template("run.html").render(
        kind=kind,
        title=f"{run.scenario} on {run.subject}" if run is not None else "No run yet",
        sentence=" ".join(filter(None, (control.sentence, control.note))),
        problems=[] if phase.busy else control.problems,
        refresh_s=_REFRESH_S.get(phase, 2),
        facts=facts(run, load, own, kind) if run is not None else {},
        lines=lines,
        runs=[_line(r) for r in reversed(control.conductor.runs)],
    )


def _ended(run: OwnRun | None) -> Phase:
    return Phase.ENDED if run is not None and run.exit_code == 0 else Phase.FAILED


def _line(run: OwnRun) -> dict[str, Any]:
    """A run in the list of this session's."""
    return {
        "began": time.strftime("%H:%M:%S", time.localtime(run.began_at)),
        "scenario": run.scenario,
        "subject": run.subject,
        "outcome": run.explanation.partition("\n")[0] if run.exit_code is not None else "in progress",
        "directory": run.directory,
    }
