"""The page `/run` of Locust's web UI: what the current run does, by our own figures. No script.

Not by Locust's statistics: workers send those on their own time, and the last of them after the run has ended.
"""

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
from flask import Blueprint, Response

from loadtests.users.live import Counts, LiveWindow
from loadtests.users.master import MasterSide
from loadtests.users.masterrun import MasterRun

_TEMPLATES = jinja2.Environment(
    loader=jinja2.PackageLoader("loadtests.webui", "templates"), autoescape=True, undefined=jinja2.StrictUndefined
)


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


def render(run: MasterRun | None, problem: str) -> str:
    """The page. `run` is the current or the last one; None when there was none."""
    page = _TEMPLATES.get_template("run.html")
    if run is None:
        return page.render(run=None, over=False, problem=problem)
    study = shlex.quote(str(Path(run.plan.directory).parent))
    return page.render(
        run=run,
        over=run.ended is not None and run.ended.is_set(),
        problem=problem,
        state=_state(run),
        lines=operation_lines(run.counts(), run.window),
        report=f"loadtests-report {study}",
    )


def _state(run: MasterRun) -> str:
    if run.ended is not None:
        return "ended" if run.ended.is_set() else "ending: the last rows are being kept"
    return "preparing" if run.stage is None else f"stage {run.stage.stage.name}"


def add_page(web_ui: Any, side: MasterSide) -> None:
    """Adds the page to Locust's web UI, behind its log-in where there is one."""
    blueprint = Blueprint("loadtests", __name__)

    def run() -> Response:
        page = Response(render(side.run or side.last, side.problem), mimetype="text/html")
        page.headers["Content-Security-Policy"] = "default-src 'none'; style-src 'unsafe-inline'"
        page.headers["Cache-Control"] = "no-store"
        return page

    blueprint.add_url_rule("/run", view_func=web_ui.auth_required_if_enabled(run))
    base_path = getattr(side.environment.parsed_options, "web_base_path", "")
    web_ui.app.register_blueprint(blueprint, url_prefix=base_path or None)
