"""Checks of stages against each other. They use plain data, so that these problems are reported together with
those of single values."""

from collections.abc import Iterator
from typing import Any

from loadtests.commandline import ALLOW_COMMANDS
from loadtests.configuration.problems import Finding, shown
from loadtests.configuration.source import read_documents
from loadtests.configuration.values import parsed_seconds
from loadtests.scenario.model import Scenario

_WARM_UP = {"warm-up", "warmup", "warm"}


def check_stages(data: Any) -> Iterator[Finding]:
    """Problems of the stages as a sequence. Validation reports stages that are not mappings."""
    stages = data.get("stages") if isinstance(data, dict) else None
    if not isinstance(stages, list) or not stages:
        return
    usable = [(i, s) for i, s in enumerate(stages) if isinstance(s, dict)]
    yield from repeated_names("stages", stages)
    for i, stage in usable:
        yield from _first(i, stage) if i == 0 else ()
        yield from _reconnect(i, stage)
        yield from _judged(i, stage, _places(data))
    if not any(s.get("judge") is True for _, s in usable):
        yield Finding(("stages",), "no judged stage", "at least one stage with judge: true")


def repeated_names(key: str, items: list[Any]) -> Iterator[Finding]:
    """Items of the list at `key` that have the name of an earlier one."""
    first: dict[str, int] = {}
    for i, item in enumerate(items):
        name = item.get("name") if isinstance(item, dict) else None
        if isinstance(name, str) and first.setdefault(name, i) != i:
            yield Finding((key, i, "name"), shown(name), f"a name of its own ({key}[{first[name]}] has it)")


def _first(i: int, stage: dict[str, Any]) -> Iterator[Finding]:
    if stage.get("ramp") is True:
        yield Finding(("stages", i, "ramp"), "true", "false: the first stage has none before it to grow from")
    if _positive(stage.get("reconnect")):
        yield Finding(
            ("stages", i, "reconnect"), shown(stage["reconnect"]), "0: in the first stage no agent is connected yet"
        )
    if stage.get("judge") is True:
        yield Finding(("stages", i, "judge"), "true", "false: the first stage warms up, and warm-up is never judged")


def _reconnect(i: int, stage: dict[str, Any]) -> Iterator[Finding]:
    if "return_within" in stage and "reconnect" not in stage:
        got = shown(stage["return_within"])
        yield Finding(
            ("stages", i, "return_within"), got, "a share of agents that reconnect beside it (reconnect: 1.0)"
        )
    if "reconnect_within" not in stage:
        return
    place, within = ("stages", i, "reconnect_within"), stage["reconnect_within"]
    if "reconnect" not in stage:
        yield Finding(place, shown(within), "a share of agents that reconnect beside it (reconnect: 1.0)")
    within_s, duration = parsed_seconds(within), parsed_seconds(stage.get("duration"))
    if within_s is not None and duration is not None and within_s > duration:
        yield Finding(place, shown(within), f"no longer than the stage ({stage['duration']})")


def _judged(i: int, stage: dict[str, Any], accounts: Any) -> Iterator[Finding]:
    if stage.get("judge") is not True:
        return
    if i and str(stage.get("name")).lower() in _WARM_UP:
        yield Finding(("stages", i, "judge"), "true", "false: warm-up is never judged")
    agents = stage.get("agents")
    needed = accounts if isinstance(accounts, int) and _positive(stage.get("arrivals_per_s")) else 1
    if isinstance(agents, int) and 0 <= agents < needed:
        yield Finding(
            ("stages", i, "agents"), shown(agents), f"{needed} or more: each account needs an agent to be judged"
        )


def _positive(value: Any) -> bool:
    return isinstance(value, int | float) and value > 0


def _places(data: dict[str, Any]) -> Any:
    """How many agents it takes until every account of every pod has one."""
    pods = data.get("pods")
    if not isinstance(pods, list) or not pods:
        return data.get("accounts", 1)
    sizes = [(p.get("accounts", 1), p.get("weight", 1)) for p in pods if isinstance(p, dict)]
    return sum(a * w for a, w in sizes if isinstance(a, int) and isinstance(w, int))


def problems_of_commands(scenario: Scenario, text: str, source: str) -> list[str]:
    """Every command of a scenario that may have none, with its place in the file."""
    document = next(iter(read_documents(text, source)[0]), None)
    if document is None:
        return []
    expected = f"no commands, or {ALLOW_COMMANDS} after you have read them: they run with your user's rights"
    return [
        str(document.problem(("timeline", number, "command"), f"the command {shown(action.program)}", expected))
        for number, action in enumerate(scenario.timeline)
        if action.program
    ]
