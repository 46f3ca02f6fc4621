"""The story of a study: its headline, why, since when, what to do next, and what to doubt."""

from reports.findings.study import Findings
from reports.text.contract import Bullet, Doubt, Story
from reports.text.doubts import doubts
from reports.text.headline import headline

__all__ = ["Bullet", "Doubt", "Story", "story"]


def story(findings: Findings) -> Story:
    head = headline(findings)
    bullets = [Bullet("why", head.reason, "where-the-time-went")] if head.reason else []
    bullets += [Bullet("since when", head.radius, "blast-radius")] if head.radius else []
    hero = "story" if any(storage.acted for storage in findings.storages) else "accept-over-time"
    return Story(head.answer, tuple(bullets), hero, head.durability, doubts(findings), head.answered, head.radius)
