"""The story of a study: its headline, why, since when, what to do next, and what to doubt."""

from collections.abc import Callable
from dataclasses import replace

from reports.findings.study import Findings
from reports.text.actions import through_actions
from reports.text.blast_radius import radius
from reports.text.contract import Bullet, Doubt, Story
from reports.text.doubts import doubts
from reports.text.failures import late_deliveries, none_succeeded, nothing_recorded, some_failed
from reports.text.latency import alone, calm, slow_elsewhere, slower, undecided
from reports.text.outage import outage
from reports.text.plain_names import few
from reports.text.wording import one_line

__all__ = ["Bullet", "Doubt", "Story", "story"]

STORIES: tuple[Callable[[Findings], Story | None], ...] = (
    nothing_recorded,
    none_succeeded,
    outage,
    some_failed,
    late_deliveries,
    through_actions,
    slow_elsewhere,
    calm,
    slower,
    undecided,
    alone,
)
"""The first that applies is the headline: failures, outages and late deliveries before latencies of what succeeded."""

_SURVIVES = {
    "power_loss": "a power loss",
    "os_crash": "a crash of the operating system, but no power loss",
    "process_crash": "a crash of the process only",
    "nothing": "nothing",
}


def story(findings: Findings) -> Story:
    """Foreign text is on one line and cut; the page escapes it."""
    first = next(found for kind in STORIES if (found := kind(findings)) is not None)
    return replace(
        first,
        bullets=tuple(replace(bullet, text=one_line(bullet.text)) for bullet in first.bullets if bullet.text),
        durability=one_line(durability(findings)),
        doubts=tuple(replace(doubt, text=one_line(doubt.text)) for doubt in doubts(findings)),
        radius=one_line(radius(findings)),
    )


def durability(findings: Findings) -> str:
    """What a commit survives, where that differs between systems."""
    survives = findings.survives
    if len(set(survives.values())) < 2:
        return ""
    labels = {storage.storage: storage.label for storage in findings.storages}
    alike: dict[str | None, list[str]] = {}
    for name, promise in survives.items():
        alike.setdefault(promise, []).append(labels.get(name, name))
    promises = [
        f"a commit on {few(names)} survives {_SURVIVES.get(level or '', level or 'an unknown failure')}"
        for level, names in alike.items()
    ]
    return f"Their durability differs: {'; '.join(promises)}."
