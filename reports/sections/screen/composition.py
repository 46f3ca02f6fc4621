"""Findings, story and drawn plots → the page."""

from collections.abc import Iterator, Mapping, Sequence

from reports.findings.study import Findings
from reports.gate.judging.verdicts import Judgement
from reports.gate.slo.objectives import Objectives
from reports.page.parts import Drawn, FirstScreen, Fold, Hero, Page, PageSection, SectionGroup
from reports.page.plots.drawing import theme_colours
from reports.page.table import PageTable
from reports.sections.contract import QUESTIONS, MakeTable, Section
from reports.sections.screen.events import events_table
from reports.sections.screen.hero import hero_of
from reports.sections.screen.terms import TERMS
from reports.sections.screen.verdicts import checks_table, judged_by, system_verdicts
from reports.text.contract import Story

Judged = tuple[Judgement, Objectives]

_EVENTS = "actions"
"""Anchor of the table of actions and faults."""

_BEHIND = ("tables", "Tables behind the plots")


def page_of(
    findings: Findings,
    story: Story,
    judged: Judged | None,
    sections: Sequence[Section],
    drawn: tuple[Sequence[Drawn], str],
) -> Page:
    """`drawn` are the plots of the sections, and the CSS that they need."""
    plots = {plot.name: plot for plot in drawn[0]}
    return Page(
        f"{scenario_of(findings)}: {', '.join(s.storage for s in findings.storages)}",
        first_screen(findings, story, judged, hero_of(findings, story.hero, plots)),
        list(_groups(findings, sections, judged, plots)),
        TERMS,
        drawn[1],
        theme_colours(findings),
    )


def first_screen(findings: Findings, story: Story, judged: Judged | None, hero: Hero | None) -> FirstScreen:
    return FirstScreen(
        _kicker(findings),
        story.headline,
        judged_by(judged[1] if judged else None),
        system_verdicts(*judged, {s.storage: s.label for s in findings.storages}) if judged else (),
        hero,
        story.bullets,
        story.durability,
        story.doubts,
    )


def scenario_of(findings: Findings) -> str:
    manifest = next((run.manifest for run in findings.runs if run.manifest), {})
    return str((manifest.get("scenario") or {}).get("name", "unknown scenario"))


def _kicker(findings: Findings) -> str:
    manifest = next((run.manifest for run in findings.runs if run.manifest), {})
    host = manifest.get("host") or {}
    runs = f"{len(findings.runs)} run{'s' if len(findings.runs) > 1 else ''}"
    machine = f"{host.get('cpu', 'unknown processor')}, {host.get('cores', '?')} cores"
    return " · ".join((f"Load test {findings.study}", f"scenario {scenario_of(findings)}", runs, machine))


def _groups(
    findings: Findings, sections: Sequence[Section], judged: Judged | None, plots: Mapping[str, Drawn]
) -> Iterator[SectionGroup]:
    timed = next((section.name for section in sections if section.timed), "") if _eventful(findings) else ""
    for name, title in QUESTIONS.items():
        parts = [_section(findings, s, plots, timed) for s in sections if s.question == name]
        if name == "trust" and judged:
            parts.insert(0, PageSection("checks", "What was judged", tables=[checks_table(judged[0])]))
        if name == "settings":
            yield _tables_behind(findings, sections)
        yield SectionGroup(f"question-{name}", title, parts)


def _section(findings: Findings, section: Section, plots: Mapping[str, Drawn], timed: str) -> PageSection:
    folds = [Fold(made.title or made.caption, [made]) for made in _made(findings, section.folded) if made.rows]
    links = []
    if section.others is not None:
        folds.insert(0, Fold(section.others[0], plot=plots.get(f"{section.name}-others")))
    if section.name == timed:
        words = "Actions and faults by their number on the time axis"
        folds.insert(0, Fold(words, [events_table(findings)], open=True, name=_EVENTS))
    elif section.timed and timed:
        links.append((_EVENTS, "The numbers of actions and faults"))
    if _behind(section):
        links.append((_anchor(section), "The same as a table"))
    return PageSection(
        section.name,
        section.title,
        section.finding(findings),
        plots.get(section.name),
        section.how(findings),
        [table for table in _made(findings, section.beside) if table.shown],
        folds,
        links,
    )


def _tables_behind(findings: Findings, sections: Sequence[Section]) -> SectionGroup:
    folds = [
        Fold(section.title, [section.table(findings)], name=_anchor(section))
        for section in sections
        if section.table is not None and _behind(section)
    ]
    return SectionGroup(*_BEHIND, [PageSection("plot-tables", "The same as tables", folds=folds)])


def _behind(section: Section) -> bool:
    """Whether the plot's data are in a table at the end of the page."""
    return section.table is not None and section.table not in section.beside


def _anchor(section: Section) -> str:
    return f"{section.name}-table"


def _made(findings: Findings, makers: Sequence[MakeTable]) -> list[PageTable]:
    return [make(findings) for make in makers]


def _eventful(findings: Findings) -> bool:
    return any(run.events for storage in findings.storages for run in storage.pooled)
