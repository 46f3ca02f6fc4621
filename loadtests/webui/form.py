"""What the start form sends: the choice of a run, and fields that are refused."""

import argparse
import re
from collections.abc import Sequence
from typing import Any

from werkzeug.datastructures import MultiDict

from loadtests.configuration.problems import one_of, shown
from loadtests.sanitize import printable
from loadtests.scenario import scenario_files

_IN_A_FILE = re.compile(r"(?P<place>.+?:\d+): .*, (?P<expected>expected .*)")
"""A problem of a scenario's file, as opposed to a name that stands for none: it has a line."""

CHOICES = ("scenario", "storage")
"""The fields that the form is for."""

_DECIDED_ELSEWHERE = {
    "user_count": ("Number of users", ("", "0")),
    "spawn_rate": ("Ramp up", ("", "0")),
    "run_time": ("Run time", ("",)),
    "profile": ("Profile", ("",)),
}
"""Locust's own fields that have no effect on a run: label, and the values that ask for nothing."""


def scenarios_of(options: Any) -> list[str]:
    """The scenarios that the form may choose.

    Those that have a name, and the one of the command line, which may be a path. No other file is opened for a form.
    """
    return list(dict.fromkeys([options.scenario, *_named_scenarios()]))


def _named_scenarios() -> list[str]:
    """Without links that lead out of their directory, to a file that is no scenario."""
    found = scenario_files().items()
    return [name for name, path in found if path.resolve().is_relative_to(path.parent.resolve())]


def without_content(problem: str) -> str:
    """The problem without what a scenario's file contains, if it is about one.

    Keeps place and what was expected; the terminal has all of it.
    """
    match = _IN_A_FILE.fullmatch(problem)
    return f"{match['place']}: {match['expected']}" if match else problem


def choice_of(form: MultiDict[str, str], options: Any) -> argparse.Namespace:
    """A copy of the options with what the form has chosen.

    What it does not name, or may not choose, is as on the command line.
    """
    names = CHOICES[:1] if options.target else CHOICES
    chosen = {name: form[name].strip() for name in names if name in form}
    if chosen.get("scenario") not in scenarios_of(options):
        chosen.pop("scenario", None)
    return argparse.Namespace(**{**vars(options), **chosen})


def problems_of(form: MultiDict[str, str], target: str, scenarios: Sequence[str] | None = None) -> list[str]:
    """Every field whose value a run would not follow.

    `target` is the address that is loaded, or empty; `scenarios` are those that may be chosen, by default those that
    have a name.
    """
    scenarios = _named_scenarios() if scenarios is None else scenarios
    problems: list[str] = []
    for name, values in form.lists():
        if len(values) > 1:
            problems.append(f"{printable(name)}: given {len(values)} times")
        problems += map(printable, _problems_of_field(name, values[0].strip(), target, scenarios))
    return problems


def _problems_of_field(name: str, value: str, target: str, scenarios: Sequence[str]) -> list[str]:
    if name == "host":
        return _problems_of_host(value, target)
    if name in _DECIDED_ELSEWHERE:
        label, neutral = _DECIDED_ELSEWHERE[name]
        instead = f"leave it {'at 0' if '0' in neutral else 'empty'}"
        return [] if value in neutral else [f"{label} {value}: the scenario decides; {instead}"]
    if name == "storage" and target:
        return [f"storage {value}: the pod at {target} has its own; leave it out"]
    if name in CHOICES and not value:
        return [f"{name}: nothing is chosen"]
    if name == "scenario" and value not in scenarios:
        return [
            f"scenario {shown(value)}: not offered here, expected {one_of(scenarios)}; to add a file of yours, start "
            "the web UI with its path"
        ]
    return [] if name in CHOICES else [f"{name}: not a field of this form; it has {' and '.join(CHOICES)}"]


def _problems_of_host(value: str, target: str) -> list[str]:
    if value in ("", target):
        return []
    if target:
        return [f"Host {value}: this web UI loads {target}; for another pod, start it with another --target"]
    return [
        f"Host {value}: the harness starts the pod itself; to load one that is running already, start the web UI with "
        f"--target {value if '://' in value else 'URL'} --label NAME"
    ]
