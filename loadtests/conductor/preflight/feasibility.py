"""Actions that this study's storage systems and targets cannot do: found before the load starts."""

from collections.abc import Iterator, Sequence
from itertools import combinations
from math import inf

from loadtests import storagenames
from loadtests.conductor.choices import Subject
from loadtests.conductor.layout import Layout, layout
from loadtests.configuration.problems import Finding, nearest, one_of, shown
from loadtests.configuration.source import Document, read_documents
from loadtests.engines import has, having
from loadtests.faultnames import unsuited
from loadtests.scenario import Action, Scenario
from loadtests.timeline.actions.contract import Capability
from loadtests.timeline.context import Components


def problems_of_timeline(
    scenario: Scenario, text: str, source: str, subjects: Sequence[Subject], hosts_owned: Sequence[str]
) -> list[str]:
    """Every problem with its place in the file, once for all storage systems that have it."""
    document = next(iter(read_documents(text, source)[0]), None)
    if document is None:
        return []
    found = [line for subject in subjects for line in _of_subject(scenario, document, subject, hosts_owned)]
    return list(dict.fromkeys([*_of_sizes(scenario, document, subjects), *found]))


def _of_sizes(scenario: Scenario, document: Document, subjects: Sequence[Subject]) -> Iterator[str]:
    """Sizes of servers that no storage system of the study has."""
    plans = [layout(scenario, subject.storage) for subject in subjects]
    known = sorted({name for plan in plans for name in (*plan.databases, *map(plan.role_of, plan.databases))})
    for name in scenario.servers:
        if name not in known:
            expected = one_of(known) if known else "none: no storage of this study has a server"
            yield str(document.problem(("servers", name), shown(name), expected, nearest(name, known)))


def _of_subject(scenario: Scenario, document: Document, subject: Subject, hosts_owned: Sequence[str]) -> Iterator[str]:
    if subject.storage is None and len(scenario.all_pods) > 1:
        names = ", ".join(pod.name for pod in scenario.all_pods)
        yield str(document.problem(("pods",), names, "one pod: --target is one"))
        return
    yield from (str(document.problem(*found)) for found in _of_faults(scenario, subject))
    plan = layout(scenario, subject.storage)
    for number, action in enumerate(scenario.timeline):
        storage = subject.storage
        suits = _on_target(action, scenario, subject.name) if storage is None else _on_storage(action, storage, plan)
        for found in (*action.check_host(hosts_owned), *suits):
            yield str(document.problem(*found._replace(place=("timeline", number, *found.place))))
    for number, expected in _collisions(scenario, plan.components):
        after = document.data["timeline"][number].get("after", "0s")
        yield str(document.problem(("timeline", number, "after"), shown(after), expected))


def _of_faults(scenario: Scenario, subject: Subject) -> Iterator[Finding]:
    """Faults that a pod on this storage system cannot have."""
    named = ", ".join(scenario.faults)
    if subject.storage is None and scenario.faults:
        yield Finding(("faults",), named, f"none: {subject.name} was not started here")
    elif subject.storage is not None and (problem := unsuited(scenario.faults, subject.storage)):
        yield Finding(("faults",), named, f"faults that {subject.storage} can have: {problem}")


def _on_target(action: Action, scenario: Scenario, name: str) -> Iterator[Finding]:
    """Nothing behind a target was started here: only commands and calls of its owner may act on it."""
    if not action.allowed_on_targets:
        yield Finding(("do",), action.do, f"run or http: {name} and its servers were not started here")
    elif not scenario.acts_on_target:
        yield Finding(("do",), action.do, f"acts_on_target: true in the scenario, because {name} was not started here")


def _on_storage(action: Action, storage: str, plan: Layout) -> Iterator[Finding]:
    dual = bool(storagenames.parse(storage).sides)
    named = getattr(action, "database", None)
    if named is not None and not plan.components.chosen_databases(named):
        known = sorted({role for pod in plan.pods for role in pod.databases} | set(plan.databases))
        expected = f"{one_of(known)} (of {storage})" if known else f"no such action: {storage} has no database"
        yield Finding(("database",), shown(named), expected, nearest(named, known))
        return
    if action.one_database and named is None and dual:
        yield Finding(("database",), "nothing", "legacy or upgraded: a dual storage has both")
    yield from _of_need(action, storage, plan, dual)


def _of_need(action: Action, storage: str, plan: Layout, dual: bool) -> Iterator[Finding]:
    if (need := action.need) is None:
        return
    touched = action.touched(plan.components).databases
    if need.if_touched and not touched:
        return
    databases = touched or plan.databases
    offers = [_capabilities(plan.databases[name].engine, dual) for name in databases]
    able = [need.capability in offered for offered in offers]
    if not (any(able) if not need.every else able and all(able)):
        engines = f" ({one_of(having('sessions'))})" if need.capability == "session" else ""
        yield Finding(("do",), action.do, f"{need.expected}{engines}: {storage} has none")


def _capabilities(engine: str, dual: bool) -> set[Capability]:
    """What a database of this engine offers, in a storage that is dual or not."""
    offers: dict[Capability, bool] = {
        "database": True,
        "dual": dual,
        "server": has(engine, "server"),
        "session": has(engine, "sessions"),
    }
    return {name for name, offered in offers.items() if offered}


def _collisions(scenario: Scenario, components: Components) -> Iterator[tuple[int, str]]:
    """Exclusive actions on the same component that would overlap if each took as long as planned: the number of the
    action that begins too soon, and the moment that is expected. Those that take longer are queued during the run."""
    actions = sorted(enumerate(scenario.timeline), key=lambda numbered: _begins_s(numbered[1], scenario))
    for (first, one), (number, other) in combinations(actions, 2):
        locked = other.locked(components)
        shared = [component for component in one.locked(components) if component in locked]
        if shared and _overlap(one, other, scenario):
            yield number, _expected(f"timeline[{first}]", one, other, scenario, shared[0])


def _begins_s(action: Action, scenario: Scenario) -> float:
    return scenario.stage_starts_s(action.stage) + action.after_s


def _overlap(one: Action, other: Action, scenario: Scenario) -> bool:
    """`one` begins first."""
    begins_s, one_begins_s = _begins_s(other, scenario), _begins_s(one, scenario)
    return begins_s < one_begins_s + one.planned_s or begins_s == one_begins_s


def _expected(name: str, one: Action, other: Action, scenario: Scenario, component: str) -> str:
    if one.planned_s == inf:
        return f"no such action: {name} ({one.words}) uses {component} for the rest of the run; give it a for"
    if one.planned_s == 0:
        return f"another moment: {name} ({one.words}) uses {component} at this one"
    after_s = _begins_s(one, scenario) + one.planned_s - scenario.stage_starts_s(other.stage)
    return f"{after_s:g}s or more: until then {name} ({one.words}) uses {component}"
