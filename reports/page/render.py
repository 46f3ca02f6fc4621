"""Figures and drawn plots → one HTML file that opens offline: no scripts, nothing fetched, all text escaped."""

import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from reports.findings.study import Findings
from reports.sections import all_sections
from reports.sections import study_tables as tables
from reports.sections.calibration import calibrated, calibration
from reports.sections.contract import Section
from reports.sections.events import events_table
from reports.sections.figures import SHOWN, groups
from reports.sections.ledger import ledger
from reports.sections.terms import TERMS
from reports.text.contract import Story
from reports.text.wording import one_line

_HERE = Path(__file__).parent


class DrawnPlot(Protocol):
    """The attributes of a plot that the page needs."""

    @property
    def name(self) -> str: ...
    @property
    def view_box(self) -> str: ...
    @property
    def body(self) -> str: ...
    @property
    def wide(self) -> bool: ...


FIRST = ("story", "blast-radius", "where-the-time-went", "accept-over-time", "who-waited-for-whom")
"""Plots before the figures: actions, attribution, accepts over time, blame matrix."""

Plots = tuple[Sequence[DrawnPlot], str]
"""Plots in the order shown, and the CSS that they need."""


def render(findings: Findings, head: Story, frame: pd.DataFrame, drawn: Plots, colours: dict[str, str]) -> str:
    """The page. `colours` gives each storage's colour as CSS; plot bodies are trusted, all else is escaped."""
    swatches = {storage: f"swatch-{place}" for place, storage in enumerate(colours)}
    rules = "".join(f".{swatches[storage]}{{background:{colour}}}" for storage, colour in colours.items())
    style = (_HERE / "page.css").read_text(encoding="utf-8") + drawn[1] + rules
    environment = Environment(
        loader=FileSystemLoader(_HERE),
        autoescape=True,
        finalize=_legible,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["breakable"] = _breakable
    environment.globals["style"] = _Trusted(style)
    page = _page(findings, head, frame, drawn[0], swatches)
    return environment.get_template("page.html.j2").render(page=page, style_hash=_hash(style))


class _Trusted(str):
    """Our own CSS: contains no foreign text, and must match its hash byte for byte."""

    __slots__ = ()

    def __html__(self) -> str:
        return str(self)


def _legible(value: Any) -> Any:
    """Text without control and direction marks; trusted markup is unchanged."""
    if not isinstance(value, str) or hasattr(value, "__html__"):
        return value
    return "\n".join(one_line(line) for line in value.split("\n"))


def _breakable(name: str) -> Markup:
    """The name of a storage; a long name of two parts may break after the comma."""
    return Markup(",<wbr>").join(escape(part) for part in str(_legible(name)).split(","))


def _hash(style: str) -> str:
    return b64encode(sha256(style.encode()).digest()).decode()


def _page(
    findings: Findings, head: Story, frame: pd.DataFrame, plots: Sequence[DrawnPlot], swatches: dict[str, str]
) -> dict[str, Any]:
    manifest = next((run.manifest for run in findings.runs if run.manifest), {})
    scenario = (manifest.get("scenario") or {}).get("name", "unknown scenario")
    host = manifest.get("host") or {}
    machine = f"{host.get('cpu', 'unknown processor')}, {host.get('cores', '?')} cores"
    judged = sorted({s.name for run in findings.runs for s in run.stages if s.judge})
    # Actions and lock waits explain the figures, so they come first.
    first = [_plot(findings, drawn) for drawn in plots if drawn.name in FIRST]
    others = [_plot(findings, drawn) for drawn in plots if drawn.name not in FIRST]
    return {
        "title": f"{scenario}: {', '.join(s.storage for s in findings.storages)}",
        "kicker": " · ".join(
            (
                f"Load test {findings.study}",
                f"scenario {scenario}",
                f"{len(findings.runs)} run{'s' if len(findings.runs) > 1 else ''}",
                machine,
            )
        ),
        "head": head,
        "figures_caption": (
            f"Response time, from the planned start, of the judged stages ({', '.join(judged) or 'none is marked'}); "
            "rounds pooled; beneath each figure its 95 % interval."
        ),
        "percentiles": SHOWN,
        "groups": groups(findings, frame, swatches),
        "first_plots": first,
        "plots": others,
        "contents": [*_contents(first), ("figures", "Figures"), *_contents(others), *_LAST],
        "first_events": next((drawn.name for drawn in plots if _by_name()[drawn.name].timed), ""),
        "terms": TERMS,
        **{name: getattr(tables, name)(findings) for name in _TABLES},
        "ledger": ledger(findings),
        **_calibration(findings),
    }


_TABLES = (
    "overview", "service", "errors", "http_statuses", "connection_failures", "rounds", "runs", "settings", "versions",
)  # fmt: skip

_LAST = (
    ("calibration", "How well lock waits are known"),
    ("how-to-read", "How to read this page"),
    ("runs", "Runs"),
    ("ledger", "Ledger"),
    ("settings", "Settings"),
)


def _contents(plots: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Links to the sections, with the beginning of each title."""
    return [(plot["name"], re.split("[,:]", plot["title"])[0]) for plot in plots]


def _calibration(findings: Findings) -> dict[str, Any]:
    whole = calibration(findings)
    wrong = [row for row in whole.rows if row[0] != "pass"]
    return {
        "calibration": whole,
        "doubted": replace(whole, rows=wrong) if wrong else None,
        "calibrated": calibrated(findings),
    }


def _eventful(findings: Findings) -> bool:
    return any(run.events for storage in findings.storages for run in storage.pooled)


def _by_name() -> dict[str, Section]:
    return {section.name: section for section in all_sections()}


def _plot(findings: Findings, drawn: DrawnPlot) -> dict[str, Any]:
    section = _by_name()[drawn.name]
    return {
        "name": drawn.name,
        "title": section.title,
        "finding": section.finding(findings),
        "how": section.how(findings),
        "beside": [table for make in section.beside if (table := make(findings)).shown],
        "folded": [table for make in section.folded if (table := make(findings)).rows],
        "table": None if section.table in section.beside else section.table(findings),
        "events": events_table(findings) if section.timed and _eventful(findings) else None,
        "drawn": drawn,
    }
