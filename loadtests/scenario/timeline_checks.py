"""What no single value shows: pods and actions that cannot be, together. Judges plain data, as `checks` does."""

import json
from collections.abc import Iterator
from itertools import accumulate
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from loadtests.configuration.problems import REFERENCE_EXPECTED, is_literal_secret, nearest, one_of, shown
from loadtests.scenario.checks import Finding, seconds

LONGEST_PAUSE_OF_A_WORKER_S = 20.0

_TARGETS = ("pods", "database", "worker")
_SIZES = ("connections", "memory_mb", "cores")


def check_pods(data: Any) -> Iterator[Finding]:
    """Pods with one name each, and accounts counted in one place."""
    pods = data.get("pods") if isinstance(data, dict) else None
    if not isinstance(pods, list) or not pods:
        return
    if "accounts" in data:
        yield Finding(("accounts",), shown(data["accounts"]), "no such key beside pods, each of which has its accounts")
    first: dict[str, int] = {}
    for i, pod in enumerate(pods):
        name = pod.get("name") if isinstance(pod, dict) else None
        if isinstance(name, str) and first.setdefault(name, i) != i:
            yield Finding(("pods", i, "name"), shown(name), f"a name of its own (pods[{first[name]}] has it)")


def check_timeline(data: Any) -> Iterator[Finding]:
    """Everything wrong with the actions beside stages and pods."""
    actions = data.get("timeline") if isinstance(data, dict) else None
    if not isinstance(actions, list):
        return
    ends = _stage_ends(data)
    pods = [p["name"] for p in _list(data, "pods") if isinstance(p, dict) and isinstance(p.get("name"), str)]
    for i, action in enumerate(actions):
        if isinstance(action, dict):
            yield from _moment(i, action, ends)
            yield from _pods(i, action, pods or ["pod-1"])
            yield from _target(i, action)
            yield from _secrets(i, action)


def _list(data: dict[str, Any], key: str) -> list[Any]:
    """What is there as a list; what is none is somebody else's problem."""
    found = data.get(key)
    return found if isinstance(found, list) else []


def _stage_ends(data: dict[str, Any]) -> dict[str, tuple[float, float]]:
    """Stage → how long it lasts, and how long the run goes on from its beginning, in seconds."""
    stages = [s for s in _list(data, "stages") if isinstance(s, dict)]
    lengths = [seconds(s.get("duration")) or 0.0 for s in stages]
    starts = [0.0, *accumulate(lengths)]
    named = [(str(s.get("name")), n, starts[-1] - at) for s, n, at in zip(stages, lengths, starts, strict=False)]
    return {name: (length, left) for name, length, left in named}


def _moment(i: int, action: dict[str, Any], stages: dict[str, tuple[float, float]]) -> Iterator[Finding]:
    name, after = action.get("stage"), seconds(action.get("after", "0s"))
    if not isinstance(name, str) or after is None:
        return
    if name not in stages:
        yield Finding(("timeline", i, "stage"), shown(name), one_of(list(stages)), nearest(name, stages))
        return
    length, left = stages[name]
    if after >= length:
        yield Finding(("timeline", i, "after"), shown(action.get("after")), f"less than the stage lasts ({length:g}s)")
    lasts = seconds(action["for"]) if "for" in action else None
    if lasts is not None and after + lasts > left:
        got = f"{after:g}s after {name} for {lasts:g}s"
        yield Finding(("timeline", i, "for"), got, f"an end within the run, {left - after:g}s at most")


def _pods(i: int, action: dict[str, Any], pods: list[str]) -> Iterator[Finding]:
    for n, name in enumerate(action.get("pods") or [] if isinstance(action.get("pods"), list) else []):
        if isinstance(name, str) and name not in pods:
            yield Finding(("timeline", i, "pods", n), shown(name), one_of(pods), nearest(name, pods))


def _secrets(i: int, action: dict[str, Any]) -> Iterator[Finding]:
    """Literal secrets in what an `http:` sends, where a key tells them: in the query, in a JSON body."""
    url, body = action.get("url"), action.get("body")
    if isinstance(url, str) and any(is_literal_secret(k, v) for k, v in parse_qsl(urlsplit(url).query)):
        yield Finding(("timeline", i, "url"), "a literal secret", REFERENCE_EXPECTED)
    if isinstance(body, str) and any(is_literal_secret(k, v) for k, v in _members(body)):
        yield Finding(("timeline", i, "body"), "a literal secret", REFERENCE_EXPECTED)


def _members(text: str) -> list[tuple[str, Any]]:
    """The members of a JSON object; of any other text none."""
    try:
        found = json.loads(text)
    except ValueError:
        return []
    return list(found.items()) if isinstance(found, dict) else []


def _worker(i: int, action: dict[str, Any]) -> Iterator[Finding]:
    lasts = seconds(action["for"])
    if action.get("do") == "kill":
        yield Finding(("timeline", i, "for"), shown(action["for"]), "no such key: a killed worker is not replaced")
    elif lasts is not None and lasts > LONGEST_PAUSE_OF_A_WORKER_S:
        expected = f"{LONGEST_PAUSE_OF_A_WORKER_S:g}s or less: a worker that is silent for much longer counts as lost"
        yield Finding(("timeline", i, "for"), shown(action["for"]), expected)


def _target(i: int, action: dict[str, Any]) -> Iterator[Finding]:
    do = action.get("do")
    if do in ("kill", "pause"):
        given = [key for key in _TARGETS if action.get(key)]
        if len(given) != 1:
            yield Finding(("timeline", i), " and ".join(given) or "nothing", f"one of {', '.join(_TARGETS)} to {do}")
    if action.get("worker") is True and "for" in action:
        yield from _worker(i, action)
    if do == "resize" and not any(key in action for key in _SIZES):
        yield Finding(("timeline", i), "no size", f"one of {', '.join(_SIZES)} or more")
