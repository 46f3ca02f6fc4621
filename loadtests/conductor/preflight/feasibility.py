"""Actions that this study's storage systems and targets cannot do: found before the load starts."""

import shutil
from collections.abc import Iterator, Sequence
from urllib.parse import urlsplit

from loadtests.conductor.choices import Subject
from loadtests.conductor.layout import Layout, layout
from loadtests.conductor.preflight.collisions import collisions
from loadtests.configuration.problems import nearest, one_of, shown
from loadtests.configuration.source import Document, Place, read_documents
from loadtests.destinations import is_loopback, is_owned
from loadtests.environment import user_variables
from loadtests.pod.storage import registry
from loadtests.scenario import (
    Action,
    Cut,
    Hold,
    Http,
    Kill,
    Maintain,
    Migrate,
    Pause,
    Recreate,
    Relock,
    Resize,
    Run,
    Scenario,
)
from loadtests.servers.registry import SERVERS
from loadtests.timeline.context import named_databases
from loadtests.timeline.control import references
from loadtests.timeline.db_sessions import DRIVERS

_ON_SERVERS = (Resize, Recreate, Cut)
_ON_ONE = (Hold, Resize, Recreate, Cut)
"""These say which database they mean where there are several."""

Wrong = tuple[Place, str, str, str]
"""Place below the action, what was found, what was expected, the nearest."""


def problems_of_timeline(
    scenario: Scenario, text: str, source: str, subjects: Sequence[Subject], hosts_owned: Sequence[str]
) -> list[str]:
    """Every problem with its place in the file, once however many storage systems have it."""
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
    plan = layout(scenario, subject.storage)
    for number, action in enumerate(scenario.timeline):
        for place, got, expected, near in _of_action(action, scenario, subject, plan, hosts_owned):
            yield str(document.problem(("timeline", number, *place), got, expected, near))
    for too_soon in collisions(scenario, plan):
        after = document.data["timeline"][too_soon.number].get("after", "0s")
        yield str(document.problem(("timeline", too_soon.number, "after"), shown(after), too_soon.expected))


def _of_action(
    action: Action, scenario: Scenario, subject: Subject, plan: Layout, hosts_owned: Sequence[str]
) -> Iterator[Wrong]:
    if isinstance(action, Run):
        yield from _of_command(action)
    elif isinstance(action, Http):
        yield from _of_call(action, hosts_owned)
    if subject.storage is None:
        yield from _on_target(action, scenario, subject.name)
    else:
        yield from _on_storage(action, subject.storage, plan)


def _on_target(action: Action, scenario: Scenario, name: str) -> Iterator[Wrong]:
    """Behind a target nothing is ours: only its owner's own commands and calls can act on it, if they are to."""
    if not isinstance(action, Run | Http):
        yield ("do",), action.do, f"run or http: {name} and its servers were not started here", ""
    elif not scenario.acts_on_target:
        yield ("do",), action.do, f"acts_on_target: true in the scenario, because {name} was not started here", ""


def _on_storage(action: Action, storage: str, plan: Layout) -> Iterator[Wrong]:
    dual = bool(registry.parse(storage).sides)
    if isinstance(action, Migrate) and not dual:
        yield ("do",), action.do, f"a dual storage to migrate, such as dual(sqlite,postgres): {storage} is one", ""
    wanted = getattr(action, "database", None)
    chosen = named_databases(wanted, plan.pods, plan.databases)
    if wanted is not None and not chosen:
        known = sorted({role for pod in plan.pods for role in pod.databases} | set(plan.databases))
        expected = f"{one_of(known)} (of {storage})" if known else f"no such action: {storage} has no database"
        yield ("database",), shown(wanted), expected, nearest(wanted, known)
        return
    if isinstance(action, _ON_ONE) and wanted is None and dual:
        yield ("database",), "nothing", "legacy or upgraded: a dual storage has both", ""
    yield from _of_engines(action, storage, [plan.databases[name].engine for name in chosen])


def _of_engines(action: Action, storage: str, engines: Sequence[str]) -> Iterator[Wrong]:
    on_server = isinstance(action, _ON_SERVERS) or (isinstance(action, Kill | Pause) and action.database)
    if on_server and (not engines or any(engine not in SERVERS for engine in engines)):
        yield ("do",), action.do, f"a storage with a server: {storage} has none", ""
    able = [engine for engine in engines if engine in DRIVERS]
    if isinstance(action, Hold) and (not able or len(able) < len(engines)):
        yield ("do",), action.do, f"a storage with locks to hold ({one_of(list(DRIVERS))}): {storage} has none", ""
    if isinstance(action, Relock) and not able:  # without a name it is switched wherever there is one
        yield (
            ("do",),
            action.do,
            f"a storage with a locking to switch ({one_of(list(DRIVERS))}): {storage} has none",
            "",
        )
    if isinstance(action, Maintain) and not engines:
        yield ("do",), action.do, f"a storage with a database: {storage} has none", ""


def _of_command(action: Run) -> Iterator[Wrong]:
    if shutil.which(action.command[0]) is None:
        yield ("command",), shown(action.command[0]), "a program that can be run, by its path or on PATH", ""


def _of_call(action: Http, hosts_owned: Sequence[str]) -> Iterator[Wrong]:
    parts = urlsplit(action.url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        yield ("url",), shown(action.url), "http://HOST/… or https://HOST/…", ""
    elif parts.username is not None or parts.password is not None:
        yield ("url",), "a user in the address", "credentials in headers, as ${env:NAME}", ""
    elif not is_loopback(parts.hostname) and not is_owned(parts.hostname, hosts_owned):
        expected = f"this machine, or a host that you own: if it is yours, say --i-own {parts.hostname}"
        yield ("url",), parts.hostname, expected, ""
    named = {("url",): action.url, ("body",): action.body}
    named |= {("headers", header): value for header, value in action.headers.items()}  # type: ignore[misc]
    for place, text in named.items():
        for name in references(text):
            if name not in user_variables():
                yield place, f"${{env:{name}}}", f"{name} set in the environment", ""
