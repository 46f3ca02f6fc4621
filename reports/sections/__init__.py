"""The sections of the page by question, in the order shown. A new one is a module with `SECTION`, and a line here."""

from functools import cache
from importlib import import_module
from typing import Any

from reports.findings.study import Findings, StorageFindings
from reports.sections.contract import Section

NAMES = (
    "glance",
    "pods.story",
    "pods.blast_radius",
    "pods.by_pod",
    "error_budget",
    "figures",
    "throughput",
    "where_the_time_went",
    "accept_over_time",
    "operations_over_time",
    "distribution",
    "blocked.blockers",
    "blocked.wait_durations",
    "blocked.endings",
    "lock_for_cpu",
    "resources",
    "calibration",
    "ledger",
    "settings",
)


@cache
def all_sections() -> tuple[Section, ...]:
    return tuple(import_module(f"reports.sections.{name}").SECTION for name in NAMES)


def summary_of(findings: Findings, storage: StorageFindings) -> dict[str, Any]:
    """What all sections state of a system in `summary.json`."""
    return {key: part for section in all_sections() for key, part in section.summary(findings, storage).items()}


def sections_of(findings: Findings) -> list[Section]:
    """Those that have something to show in this study."""
    return [section for section in all_sections() if section.applies(findings)]
