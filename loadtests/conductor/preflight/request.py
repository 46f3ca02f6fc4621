"""Everything that can be found out before the load starts, all at once."""

import contextlib
import os
import unicodedata
from argparse import Namespace
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from loadtests import storagenames
from loadtests.commandline import host_and_port, is_host_and_port
from loadtests.conductor.choices import Choices, Generator, Subject, Target
from loadtests.conductor.failures import BadInput, Unavailable
from loadtests.conductor.layout import layout
from loadtests.conductor.ports import problems_of_port
from loadtests.conductor.preflight.capacity import Host, shortfalls
from loadtests.conductor.preflight.feasibility import problems_of_timeline
from loadtests.conductor.preflight.filesystem import Contents, problems_of_directory, problems_of_name
from loadtests.conductor.preflight.labels import labelled, problems_of_target_label
from loadtests.conductor.preflight.target_databases import check_databases, databases_behind, networks_of_databases
from loadtests.conductor.target import address_of, check_target, networks_of_url, problems_of_target
from loadtests.configuration.problems import SourceError, shown
from loadtests.configuration.source import read_documents, read_source
from loadtests.destinations import is_loopback
from loadtests.drivers.hosts import restrict
from loadtests.joining import TOKEN_SECRET
from loadtests.probes.databases import DSNS
from loadtests.protocols import ProtocolNameError, check_operations, check_server_half
from loadtests.records.rundirectory import safe_name
from loadtests.scenario import Scenario, ScenarioError
from loadtests.scenario.checks import problems_of_commands
from loadtests.scenario.finding import find_scenario, is_shipped, read_scenario, which_scenario
from loadtests.servers.registry import missing
from loadtests.tls import problems_of_trust


@dataclass(frozen=True)
class StudyRequest:
    """What was typed, unchecked. None: the scenario decides."""

    scenario: str = ""
    storages: Sequence[str] = ()
    target: str | None = None
    label: str | None = None
    """Of the target."""
    labels: Sequence[str] = ()
    """As given: of storage systems `STORAGE=TEXT`."""
    databases: Sequence[str] = ()
    """Behind the target: `NAME:ENGINE`."""
    i_own: Sequence[str] = ()
    rounds: int | None = None
    runs: Path = Path("runs")
    seed: int | None = None
    generator: Generator = field(default_factory=Generator)
    protocol: str | None = None
    allow_commands: bool = False
    """Those of the scenario's timeline."""
    abort_on_fail: bool = False
    trusts_shipped: bool = True
    """Whether scenarios that came with the harness may run commands without that."""

    @classmethod
    def of(
        cls, options: Namespace, generator: Generator, *, rounds: int | None, trusts_shipped: bool = True
    ) -> "StudyRequest":
        """What the options of a command ask for."""
        labels = [options.label] if isinstance(options.label, str) else options.label or []
        return cls(
            options.scenario,
            options.storage,
            options.target,
            labels[0] if options.target and labels else None,
            labels,
            options.database,
            options.i_own,
            rounds,
            options.runs,
            options.seed,
            generator,
            options.protocol,
            options.allow_commands,
            getattr(options, "abort_on_fail", False),
            trusts_shipped,
        )


def choose(request: StudyRequest) -> Choices:
    """Raises BadInput with every problem at once, one a line."""
    problems = problems_of_name(request.runs)
    scenario, text, path = _scenario(request.scenario, problems)
    names = request.storages or (scenario.storages if scenario and not request.target else ())
    subjects = _target(request, problems) if request.target else _storages(names, problems)
    if not request.target:
        subjects = labelled(subjects, request.labels, scenario.labels if scenario else {}, problems)
    problems += _problems_of_generator(request)
    problems += _problems_of_protocol(request, scenario, text, path)
    if scenario is not None and subjects:
        problems += problems_of_timeline(scenario, text, path, subjects, request.i_own)
    if scenario is not None and not (request.allow_commands or (request.trusts_shipped and is_shipped(Path(path)))):
        problems += problems_of_commands(scenario, text, path)
    if problems or scenario is None:
        raise BadInput("\n".join(problems))
    return Choices(
        scenario=scenario,
        scenario_text=text,
        subjects=tuple(subjects),
        rounds=request.rounds or scenario.rounds,
        runs=request.runs,
        seed=scenario.seed if request.seed is None else request.seed,
        generator=request.generator,
        protocol=scenario.protocol if request.protocol is None else request.protocol,
        hosts_owned=tuple(request.i_own),
        objectives_text=_objectives(scenario, Path(path)),
        abort_on_fail=request.abort_on_fail,
        notes=tuple(filter(None, [which_scenario(request.scenario)])),
    )


def _objectives(scenario: Scenario, path: Path) -> str | None:
    """The objectives' text, which goes into every run. Raises BadInput when it cannot be read."""
    if scenario.objectives is None:
        return None
    try:
        return read_source(path.parent / scenario.objectives)
    except SourceError as error:
        raise BadInput(str(error)) from None


def check_form(
    scenario: str | None, storage: str | None, target: Mapping[str, str], protocol: str | None = None
) -> str:
    """What a start form is to begin with; `target` is one that it loads instead of a storage, by option. Returns which
    file the scenario is, where two could be meant. Raises BadInput with every problem at once."""
    problems: list[str] = []
    if scenario is not None:
        _scenario(scenario, problems)
    if storage is not None:
        _storages([storage], problems)
    if target:
        _target_of_form(storage, target, problems)
    if protocol is not None and (problem := _problem_of_protocol(protocol, with_target=bool(target))) is not None:
        problems.append(f"--{problem}")
    if problems:
        raise BadInput("\n".join(problems))
    return which_scenario(scenario) if scenario is not None else ""


def _target_of_form(storage: str | None, target: Mapping[str, str], problems: list[str]) -> None:
    if "target" not in target:
        problems.append(f"--{'/--'.join(target).replace('_', '-')} belong to a --target: name it too")
        return
    _target(
        StudyRequest(
            storages=[storage] if storage else [],
            target=target["target"],
            label=target.get("label"),
            databases=[target["database"]] if "database" in target else [],
            i_own=[target["i_own"]] if "i_own" in target else [],
        ),
        problems,
    )


def _scenario(name: str, problems: list[str]) -> tuple[Scenario | None, str, str]:
    """The scenario, its text and its file's name."""
    try:
        path = find_scenario(name)
        return *read_scenario(path), str(path)
    except ScenarioError as error:
        problems.append(str(error))
    return None, "", ""


def _storages(names: Iterable[str], problems: list[str]) -> list[Subject]:
    seen: dict[str, str] = {}
    for name in names:
        try:
            full = str(storagenames.parse(name))
        except storagenames.StorageNameError as error:
            problems.append(str(error))
            continue
        if full in seen:
            problems.append(f"--storage {name}: named twice; for several runs of it say --rounds")
        seen[full] = name
    return [Subject(storage=name) for name in seen.values()]


def _target(request: StudyRequest, problems: list[str]) -> list[Subject]:
    assert request.target is not None
    problems += problems_of_target(request.target, tuple(request.i_own))
    problems += problems_of_trust() if request.target.startswith("wss:") else []
    if request.storages:
        problems.append("--target and --storage exclude each other: the pod behind --target has its own storage")
    problems += problems_of_target_label(request.label)
    if len(request.labels) > 1:
        problems.append("--label: named twice; the pod of --target has one")
    if not os.environ.get(TOKEN_SECRET):
        problems.append(
            f"--target needs {TOKEN_SECRET} in the environment: the key that signs the tokens of its accounts"
        )
    databases = databases_behind(request.databases, os.environ.get(DSNS), tuple(request.i_own), problems)
    label = unicodedata.normalize("NFC", request.label or "")
    return [Subject(target=Target(request.target, label, databases))]


def _problem_of_protocol(protocol: str, *, with_target: bool) -> ProtocolNameError | None:
    """Why the protocol cannot be used; without a target, the reference pod has to speak it."""
    try:
        check_operations(protocol)
        if not with_target:
            check_server_half(protocol)
    except ProtocolNameError as problem:
        return problem
    return None


def _problems_of_protocol(request: StudyRequest, scenario: Scenario | None, text: str, path: str) -> list[str]:
    """Of the protocol of the command line or, with its place in the file, that of the scenario."""
    if request.protocol is not None:
        problem = _problem_of_protocol(request.protocol, with_target=bool(request.target))
        return [f"--{problem}"] if problem is not None else []
    problem = (
        _problem_of_protocol(scenario.protocol, with_target=bool(request.target)) if scenario is not None else None
    )
    if scenario is None or problem is None:
        return []
    document = read_documents(text, path)[0][0]
    return [str(document.problem(("protocol",), shown(scenario.protocol), problem.expected, problem.nearest))]


def _problems_of_generator(request: StudyRequest) -> list[str]:
    bind, problems = request.generator.bind, []
    if request.databases and not request.target:
        problems.append("--database names what is behind --target: the storages' own databases are watched anyway")
    if bind is None:
        return problems
    if not is_host_and_port(bind):
        problems.append(f"--bind {bind}: expected HOST:PORT")
    elif not request.target and not is_loopback(host_and_port(bind)[0]):
        problems.append(f"--bind {bind}: workers elsewhere cannot reach the pod that is started here: use --target")
    return problems


def check_environment(choices: Choices) -> Choices:
    """This host's limits, servers, target and the databases behind it, and somewhere to write. Returns the choices with
    the networks in which hosts were found. Raises Unavailable or BadInput."""
    problems = [
        *shortfalls(choices, Host.here()),
        *problems_of_servers([subject.storage for subject in choices.subjects if subject.storage is not None]),
        *problems_of_directory(choices.runs, _contents(choices)),
        *(problems_of_port("--bind", *host_and_port(bind)) if (bind := choices.generator.bind) is not None else []),
    ]
    if problems:
        raise Unavailable("\n".join(problems))
    networks = _networks(choices)
    restrict(networks)
    for target in (subject.target for subject in choices.subjects if subject.target is not None):
        account = layout(choices.scenario, None).pods[0].accounts[0]
        check_target(
            target.url, account, os.environ[TOKEN_SECRET], networks.get(address_of(target.url)[0], ()), choices.protocol
        )
        check_databases(target.databases, os.environ.get(DSNS))
    return replace(choices, networks=networks)


def _networks(choices: Choices) -> dict[str, tuple[str, ...]]:
    """Of each host to which secrets are sent: the target's, those of `http` actions and of databases."""
    urls = [subject.target.url for subject in choices.subjects if subject.target is not None]
    urls += [action.called_url for action in choices.scenario.timeline if action.called_url]
    found = [(address_of(url)[0], networks_of_url(url, choices.hosts_owned)) for url in urls]
    databases = [database for s in choices.subjects if s.target is not None for database in s.target.databases]
    behind = networks_of_databases(databases, os.environ.get(DSNS), choices.hosts_owned)
    return {**behind, **{host: networks for host, networks in found if networks}}


def problems_of_servers(storages: Iterable[str]) -> list[str]:
    """The engines that these storage systems need and that are missing here; names that are none are skipped."""
    engines: dict[str, None] = {}
    for storage in storages:
        with contextlib.suppress(storagenames.StorageNameError):
            engines |= dict.fromkeys(needed.engine for needed in storagenames.databases(storage).values())
    return [f"{engine}: {why}" for engine in engines if (why := missing(engine)) is not None]


def _contents(choices: Choices) -> Contents:
    """The longest names that the study will have: the hundredth run would be one longer."""
    systems = [(subject, layout(choices.scenario, subject.storage).databases) for subject in choices.subjects]
    inner = [f"server-000-{subject.directory}-{name}" for subject, databases in systems for name in (*databases, "-")]
    engines = {storage.engine for _, databases in systems for storage in databases.values()}
    study = f"{'0' * 16}-{safe_name(choices.scenario.name)}-00"
    return Contents(study, max(inner, key=len), frozenset(engines))
