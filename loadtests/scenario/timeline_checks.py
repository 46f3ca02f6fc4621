"""Checks of pods and actions against each other, on plain data as in `checks`."""

from collections.abc import Iterator
from itertools import accumulate
from typing import Any

from loadtests.configuration.problems import Finding, nearest, one_of, shown
from loadtests.configuration.values import parsed_seconds
from loadtests.scenario.checks import repeated_names
from loadtests.timeline.actions.table import ACTIONS, action_class


def check_pods(data: Any) -> Iterator[Finding]:
    """Pods with one name each, and accounts counted in one place."""
    pods = data.get("pods") if isinstance(data, dict) else None
    if not isinstance(pods, list) or not pods:
        return
    if "accounts" in data:
        yield Finding(("accounts",), shown(data["accounts"]), "no such key beside pods, each of which has its accounts")
    yield from repeated_names("pods", pods)


def check_timeline(data: Any) -> Iterator[Finding]:
    """Problems of the actions with stages, pods and their own keys."""
    actions = data.get("timeline") if isinstance(data, dict) else None
    if not isinstance(actions, list):
        return
    ends = _stage_ends(data)
    pods = [p["name"] for p in _list(data, "pods") if isinstance(p, dict) and isinstance(p.get("name"), str)]
    for i, action in enumerate(actions):
        if isinstance(action, dict):
            yield from _moment(i, action, ends)
            yield from _pods(i, action, pods or ["pod-1"])
            yield from _written(i, action)


def _list(data: dict[str, Any], key: str) -> list[Any]:
    """The value if it is a list, else an empty list: validation reports it."""
    found = data.get(key)
    return found if isinstance(found, list) else []


def _stage_ends(data: dict[str, Any]) -> dict[str, tuple[float, float]]:
    """Stage → how long it lasts, and how long the run goes on from its beginning, in seconds."""
    stages = [s for s in _list(data, "stages") if isinstance(s, dict)]
    lengths = [parsed_seconds(s.get("duration")) or 0.0 for s in stages]
    starts = [0.0, *accumulate(lengths)]
    named = [(str(s.get("name")), n, starts[-1] - at) for s, n, at in zip(stages, lengths, starts, strict=False)]
    return {name: (length, left) for name, length, left in named}


def _moment(i: int, action: dict[str, Any], stages: dict[str, tuple[float, float]]) -> Iterator[Finding]:
    name, after = action.get("stage"), parsed_seconds(action.get("after", "0s"))
    if not isinstance(name, str) or after is None:
        return
    if name not in stages:
        yield Finding(("timeline", i, "stage"), shown(name), one_of(list(stages)), nearest(name, stages))
        return
    length, left = stages[name]
    if after >= length:
        yield Finding(("timeline", i, "after"), shown(action.get("after")), f"less than the stage lasts ({length:g}s)")
    lasts = parsed_seconds(action["for"]) if "for" in action else None
    if lasts is not None and after + lasts > left:
        got = f"{after:g}s after {name} for {lasts:g}s"
        yield Finding(("timeline", i, "for"), got, f"an end within the run, {left - after:g}s at most")


def _pods(i: int, action: dict[str, Any], pods: list[str]) -> Iterator[Finding]:
    for n, name in enumerate(action.get("pods") or [] if isinstance(action.get("pods"), list) else []):
        if isinstance(name, str) and name not in pods:
            yield Finding(("timeline", i, "pods", n), shown(name), one_of(pods), nearest(name, pods))


def _written(i: int, action: dict[str, Any]) -> Iterator[Finding]:
    """The problems that the action itself finds."""
    if (do := action.get("do")) in ACTIONS:
        for found in action_class(str(do)).check_written(action):
            yield found._replace(place=("timeline", i, *found.place))
