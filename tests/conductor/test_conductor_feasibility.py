"""Actions that the chosen storage systems and targets cannot do are reported before anything starts."""

import pytest

from loadtests.conductor.choices import Subject, Target
from loadtests.conductor.layout import layout
from loadtests.conductor.preflight.feasibility import problems_of_timeline
from loadtests.scenario import parse_scenario

SCENARIO = """\
name: x
agent: {subscriptions: 0, think: {median: 1s, sigma: 0}, chats_at_once: 1, session: 1h}
customer: {arrivals: poisson, patience: 1s, messages: {min: 0, max: 0}, pause: {median: 1s, sigma: 0}}
stages:
  - {name: warm-up, duration: 1s, agents: 1, arrivals_per_s: 1}
  - {name: steady, duration: 9s, agents: 9, arrivals_per_s: 1, judge: true}
"""


def problems(action, *subjects, more="", i_own=()):
    text = f"{SCENARIO}{more}timeline:\n  - {{stage: steady, {action}}}\n"
    return problems_of_timeline(parse_scenario(text, "x.yaml"), text, "x.yaml", list(subjects), i_own)


def on(storage):
    return Subject(storage=storage)


TARGET = Subject(target=Target("ws://127.0.0.1:1", "theirs"))


@pytest.mark.parametrize(
    ("action", "storage"),
    [
        ("do: sweep", "memory"),
        ("do: relock, locking: none", "postgres:pessimistic"),
        ("do: hold, operation: chat.accept, for: 1s", "postgres:optimistic"),
        ("do: hold, operation: chat.accept, for: 1s, database: postgres", "postgres:optimistic"),
        ("do: resize, cores: 1", "postgres:pessimistic"),
        ("do: maintain, what: vacuum, statements: {postgres: VACUUM}", "sqlite"),
        ("do: kill, pods: [pod-1]", "memory"),
        ("do: run, command: [sh, -c, ls]", "memory"),
        ('do: http, url: "http://localhost:1/x"', "memory"),
    ],
)
def test_what_can_be_done_is_taken(action, storage):
    assert problems(action, on(storage)) == []


@pytest.mark.parametrize(
    ("action", "storage", "expected"),
    [
        ("do: migrate, to: dual", "sqlite", "do: got migrate, expected a dual storage to migrate"),
        ("do: relock, locking: none", "sqlite", "do: got relock, expected a storage with a locking to switch"),
        ("do: hold, operation: chat.accept, for: 1s", "sqlite", "do: got hold, expected a storage with locks to hold"),
        ("do: hold, operation: chat.accept, for: 1s", "memory", "do: got hold, expected a storage with locks to hold"),
        ("do: resize, cores: 1", "sqlite", "do: got resize, expected a storage with a server: sqlite has none"),
        ("do: kill, database: sqlite", "sqlite", "do: got kill, expected a storage with a server: sqlite has none"),
        ("do: recreate", "memory", "do: got recreate, expected a storage with a server: memory has none"),
        (
            "do: pause, database: postgre, for: 1s",
            "postgres:pessimistic",
            "database: got 'postgre', expected postgres (of postgres:pessimistic); did you mean postgres?",
        ),
        (
            "do: maintain, what: vacuum, statements: {postgres: VACUUM}",
            "memory",
            "do: got maintain, expected a storage",
        ),
        (
            "do: run, command: [no-such-program]",
            "memory",
            "command: got 'no-such-program', expected a program that can",
        ),
        (
            'do: http, url: "ftp://localhost/x"',
            "memory",
            "url: got 'ftp://localhost/x', expected http://HOST/… or https",
        ),
        (
            'do: http, url: "http://example.org/x"',
            "memory",
            "url: got example.org, expected this machine, or a host that you own: if it is yours, say --i-own",
        ),
        (
            'do: http, url: "http://localhost/x", body: "${env:NO_SUCH_VARIABLE}"',
            "memory",
            "body: got ${env:NO_SUCH_VARIABLE}, expected NO_SUCH_VARIABLE set in the environment",
        ),
    ],
)
def test_infeasible_actions_are_reported_with_their_place(action, storage, expected):
    (line,) = problems(action, on(storage))
    assert line.startswith(f"x.yaml:8: timeline[0].{expected}"), line


def test_credentials_in_an_address_are_refused(monkeypatch):
    monkeypatch.setenv("PW", "hush")
    (line,) = problems('do: http, url: "http://me:${env:PW}@localhost/x"', on("memory"))
    assert "url: got a user in the address, expected credentials in headers" in line


def test_sizes_are_of_servers_that_there_are():
    (line,) = problems("do: sweep", on("postgres:optimistic"), more="servers: {upgarded: {cores: 1}}\n")
    assert "servers.upgarded: got 'upgarded', expected postgres" in line
    assert problems("do: sweep", on("dual(sqlite,postgres)"), more="servers: {upgraded: {cores: 1}}\n") == []


def test_without_a_name_locking_is_switched_wherever_there_is_one():
    assert problems("do: relock, locking: none", on("dual(sqlite,postgres)")) == []


def test_a_host_that_is_owned_may_be_called():
    assert problems('do: http, url: "http://example.org/x"', on("memory"), i_own=["example.org"]) == []


def test_on_a_target_only_its_owners_actions_are_allowed_by_consent():
    (line,) = problems("do: sweep", TARGET)
    assert "do: got sweep, expected run or http: theirs and its servers were not started here" in line
    (line,) = problems("do: run, command: [sh]", TARGET)
    assert "do: got run, expected acts_on_target: true in the scenario" in line
    assert problems("do: run, command: [sh]", TARGET, more="acts_on_target: true\n") == []


def test_a_target_is_one_pod():
    (line,) = problems("do: sweep", TARGET, more="pods: [{name: a}, {name: b}]\n")
    assert line.endswith("pods: got a, b, expected one pod: --target is one")


def test_problem_of_several_storages_is_reported_for_each():
    assert len(problems("do: resize, cores: 1", on("sqlite"), on("memory"))) == 2


def collisions(*actions, storage="postgres:optimistic", more=""):
    lines = "".join(f"  - {{stage: steady, {action}}}\n" for action in actions)
    text = f"{SCENARIO}{more}timeline:\n{lines}"
    return problems_of_timeline(parse_scenario(text, "x.yaml"), text, "x.yaml", [on(storage)], ())


KILL = "after: 1s, do: kill, database: postgres, for: 2s"
PODS = "pods: [{name: a}, {name: b, cluster: eu}]\n"


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        (
            "after: 2s, do: resize, cores: 1",
            "x.yaml:9: timeline[1].after: got '2s', expected 3s or more: until then timeline[0] (database postgres "
            "killed) uses database postgres",
        ),
        (
            "do: pause, database: postgres, for: 1001ms",
            "x.yaml:8: timeline[0].after: got '1s', expected 1.001s or more: until then timeline[1] (database postgres "
            "paused) uses database postgres",
        ),
        (
            "do: kill, database: postgres",
            "x.yaml:8: timeline[0].after: got '1s', expected no such action: timeline[1] (database postgres killed) "
            "uses database postgres for the rest of the run; give it a for",
        ),
        (
            "after: 1s, do: recreate",
            "x.yaml:9: timeline[1].after: got '1s', expected 3s or more: until then timeline[0] (database postgres",
        ),
    ],
)
def test_overlapping_exclusive_actions_are_reported(other, expected):
    (line,) = collisions(KILL, other)
    assert line.startswith(expected), line


def test_two_exclusive_actions_at_one_moment_are_reported():
    (line,) = collisions("do: resize, cores: 1", "do: recreate")
    assert line == (
        "x.yaml:9: timeline[1].after: got '0s', expected another moment: timeline[0] (database resized: 1 core) uses "
        "database postgres at this one"
    )


@pytest.mark.parametrize(
    "other",
    [
        "after: 3s, do: resize, cores: 1",  # a recovery may take longer: they queue
        "after: 2s, do: kill, pods: [a], for: 1s",
        "after: 2s, do: hold, operation: chat.accept, for: 1s",
        "after: 2s, do: pause, database: postgres-eu, for: 1s",
    ],
)
def test_exclusive_actions_on_other_components_are_accepted(other):
    kill = KILL if "postgres-eu" not in other else "after: 1s, do: pause, pods: [a], for: 2s"
    assert collisions(kill, other, more=PODS) == []


def test_a_name_means_the_database_of_every_cluster():
    (line,) = collisions(KILL, "after: 2s, do: pause, database: postgres-eu, for: 1s", more=PODS)
    assert "uses database postgres-eu" in line


def test_pods_of_a_cluster_share_its_databases():
    text = SCENARIO + 'pods: [{name: a}, {name: b, accounts: 2, cluster: eu}, {name: "17", weight: 3}]\n'
    plan = layout(parse_scenario(text, "x.yaml"), "postgres:optimistic")
    assert {pod.name: (pod.accounts, dict(pod.databases)) for pod in plan.pods} == {
        "a": (("account-0001",), {"postgres": "postgres"}),
        "b": (("account-0002", "account-0003"), {"postgres": "postgres-eu"}),
        "17": (("account-0004",), {"postgres": "postgres"}),
    }
    assert {name: str(storage) for name, storage in plan.databases.items()} == {
        "postgres": "postgres:optimistic",
        "postgres-eu": "postgres:optimistic",
    }


@pytest.mark.parametrize(
    ("faults", "subject", "problem"),
    [
        ("hot-counter, notify", on("postgres:none"), []),
        (
            "lost-events, notify",
            on("sqlite"),
            ["x.yaml:7: faults: got lost-events, notify, expected faults that sqlite can have: notify needs postgres"],
        ),
        ("lost-events", TARGET, ["x.yaml:7: faults: got lost-events, expected none: theirs was not started here"]),
    ],
)
def test_faults_need_a_pod_of_ours_on_a_storage_that_can_have_them(faults, subject, problem):
    text = f"{SCENARIO}faults: [{faults}]\n"
    assert problems_of_timeline(parse_scenario(text, "x.yaml"), text, "x.yaml", [subject], ()) == problem
