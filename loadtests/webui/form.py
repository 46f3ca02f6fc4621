"""What the start form sends: the choice of a run, and every field that cannot be honoured."""

import argparse
from collections.abc import Sequence
from typing import Any

from werkzeug.datastructures import MultiDict

CHOICES = ("scenario", "storage")
"""The fields that the form is for."""

_DECIDED_ELSEWHERE = {
    "user_count": ("Number of users", ("", "0")),
    "spawn_rate": ("Ramp up", ("", "0")),
    "run_time": ("Run time", ("",)),
    "profile": ("Profile", ("",)),
}
"""Locust's own fields that have no effect on a run: label, and the values that ask for nothing."""


def choice_of(form: MultiDict[str, str], options: Any) -> argparse.Namespace:
    """The options with what the form has chosen; what it does not name stays as it is."""
    names = CHOICES[:1] if options.target else CHOICES
    chosen = {name: form[name].strip() for name in names if name in form}
    return argparse.Namespace(**{**vars(options), **chosen})


def problems_of(form: MultiDict[str, str], target: str) -> list[str]:
    """Every field that asks for something a run would not do. `target` is the address that is loaded, or empty."""
    problems = []
    for name, values in form.lists():
        if len(values) > 1:
            problems.append(f"{name}: given {len(values)} times")
        problems += _problems_of_field(name, values, target)
    return problems


def _problems_of_field(name: str, values: Sequence[str], target: str) -> list[str]:
    value = values[0].strip()
    if name == "host":
        return _problems_of_host(value, target)
    if name in _DECIDED_ELSEWHERE:
        label, neutral = _DECIDED_ELSEWHERE[name]
        instead = f"leave it {'at 0' if '0' in neutral else 'empty'}"
        return [] if value in neutral else [f"{label} {value}: the scenario decides; {instead}"]
    if name == "storage" and target:
        return [f"storage {value}: the pod at {target} has its own; leave it out"]
    if name in CHOICES:
        return [] if value else [f"{name}: nothing is chosen"]
    return [f"{name}: not a field of this form; it has {' and '.join(CHOICES)}"]


def _problems_of_host(value: str, target: str) -> list[str]:
    if value in ("", target):
        return []
    if target:
        return [f"Host {value}: this web UI loads {target}; for another pod, start it with another --target"]
    return [
        f"Host {value}: the harness starts the pod itself; to load one that is running already, start the web UI with "
        f"--target {value if '://' in value else 'URL'} --label NAME"
    ]
