"""Story, verdicts and hero plot → the first screen."""

from reports.data.objective import Objectives
from reports.findings.study import Findings
from reports.gate.judging.verdicts import Judgement
from reports.page.parts import DoubtLine, FirstScreen, Hero, Point
from reports.sections.screen.verdicts import judged_by, system_verdicts
from reports.text.contract import Story

Judged = tuple[Judgement, Objectives]


def first_screen(findings: Findings, story: Story, judged: Judged | None, hero: Hero | None) -> FirstScreen:
    return FirstScreen(
        _kicker(findings),
        story.headline,
        judged_by(judged[1] if judged else None),
        system_verdicts(*judged, {s.storage: s.label for s in findings.storages}) if judged else (),
        hero,
        [Point(bullet.label, bullet.text, bullet.section) for bullet in story.bullets],
        story.durability,
        [DoubtLine(doubt.severity, doubt.text, doubt.consequence, doubt.runs) for doubt in story.doubts],
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
