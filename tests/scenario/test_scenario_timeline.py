"""Pods and timelines: what is accepted, and problems with their places."""

import pytest
from test_scenario_values import WHOLE

from loadtests.scenario import ScenarioError, parse_scenario

PODS = """\
pods:
  - {name: canary}
  - {name: "17", accounts: 2, weight: 3}
  - {name: "18", cluster: eu}
"""
TIMELINE = """\
timeline:
  - {stage: ramp, do: migrate, to: dual, share: 60, pods: ["17", "18"]}
  - {stage: ramp, after: 1s, do: relock, locking: none, database: upgraded}
  - {stage: steady, after: 500ms, do: hold, operation: chat.accept, for: 8s, database: upgraded}
  - {stage: steady, do: maintain, what: vacuum, statements: {postgres: VACUUM FULL events}, within: 20s}
  - {stage: steady, do: resize, connections: 300, cores: 2, database: upgraded}
  - {stage: steady, do: sweep}
  - {stage: steady, do: recreate, database: legacy}
  - {stage: steady, do: kill, pods: ["17"], for: 2s}
  - {stage: steady, do: pause, database: legacy, for: 2s}
  - {stage: steady, do: cut, how: reset, pods: [canary], database: legacy, for: 2s}
  - {stage: steady, do: run, command: [make, roll-back]}
  - {stage: steady, do: http, url: "http://127.0.0.1:9/x", headers: {Authorization: "Bearer ${env:CONTROL}"}}
"""
TEXT = WHOLE.replace("accounts: 4\n", PODS) + TIMELINE


def problems(text):
    with pytest.raises(ScenarioError) as raised:
        parse_scenario(text, "x.yaml")
    return str(raised.value).splitlines()


def changed(old, new):
    assert old in TEXT
    return TEXT.replace(old, new, 1)


def line_of(text):
    return next(n for n, line in enumerate(TEXT.splitlines(), 1) if text in line)


def test_pods_have_accounts_a_weight_and_a_cluster():
    scenario = parse_scenario(TEXT, "x.yaml")
    assert [(p.name, p.accounts, p.weight, p.cluster) for p in scenario.all_pods] == [
        ("canary", 1, 1, "main"),
        ("17", 2, 3, "main"),
        ("18", 1, 1, "eu"),
    ]


def test_without_pods_there_is_one_with_all_the_accounts():
    (pod,) = parse_scenario(WHOLE, "x.yaml").all_pods
    assert (pod.name, pod.accounts, pod.cluster) == ("pod-1", 4, "main")


def test_every_action_has_words():
    listed = [action.words for action in parse_scenario(TEXT, "x.yaml").timeline]
    assert listed == [
        "60 % of 17, 18 to both storages",
        "locking of database upgraded becomes none",
        "a stuck transaction holds the locks of chat.accept on all pods",
        "vacuum on database",
        "database upgraded resized: 300 connections, 2 cores",
        "orphans of all pods swept",
        "database legacy re-created, empty",
        "pod 17 killed",
        "database legacy paused",
        "network between canary and database legacy reset",
        "make run",
        "POST http://127.0.0.1:9/x",
    ]
    subjects = [action.subject for action in parse_scenario(TEXT, "x.yaml").timeline]
    assert subjects[:3] == ["pods 17, 18", "database upgraded", "database upgraded"]


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        (
            "do: migrate",
            "do: migrat",
            "timeline[0].do: got 'migrat', expected one of migrate, relock, hold, maintain, ",
        ),
        ("do: migrate, ", "", "timeline[0].do: got nothing, expected one of migrate, relock, hold, maintain, resize"),
        (
            "to: dual",
            "to: duel",
            "timeline[0].to: got 'duel', expected one of legacy, dual, upgraded; did you mean dual?",
        ),
        ("share: 60", "share: 101", "timeline[0].share: got 101, expected 100 or less"),
        (
            "share: 60",
            "shares: 60",
            "timeline[0].shares: got unknown key 'shares', expected one of stage, after, do, to, share, pods; "
            "did you mean share?",
        ),
        ('pods: ["17", "18"]}', 'pods: ["17", "19"]}', "timeline[0].pods[1]: got '19', expected one of canary, 17, 18"),
        (
            "{stage: ramp, do",
            "{stage: rampe, do",
            "timeline[0].stage: got 'rampe', expected one of warm-up, ramp, steady",
        ),
        ("after: 1s", "after: 4s", "timeline[1].after: got '4s', expected less than the stage lasts (4s)"),
        (
            "after: 500ms, do: hold, operation: chat.accept, for: 8s",
            "after: 14s, do: hold, operation: chat.accept, for: 8s",
            "timeline[2].for: got 14s after steady for 8s, expected an end within the run, 6s at most",
        ),
        (
            "operation: chat.accept, ",
            "operation: chat.close, ",
            "timeline[2].operation: got 'chat.close', expected one of",
        ),
        ("statements: {postgres: VACUUM", "statements: {sqlite: VACUUM", "timeline[3].statements.sqlite: got 'sqlite'"),
        ("connections: 300, cores: 2, ", "", "timeline[4]: got no size, expected one of connections, memory_mb, cores"),
        (
            'pods: ["17"], for: 2s',
            "for: 2s",
            "timeline[7]: got nothing, expected one of pods, database, worker to kill",
        ),
        (
            "how: reset",
            "how: rest",
            "timeline[9].how: got 'rest', expected one of reset, blackhole; did you mean reset?",
        ),
        ("command: [make, roll-back]", "command: []", "timeline[10].command: got a list, expected at least 1 item"),
        (
            '"Bearer ${env:CONTROL}"',
            '"Bearer abc"',
            "timeline[11].headers.Authorization: got a literal secret, expected a reference to the environment",
        ),
    ],
)
def test_wrong_action_is_reported_with_its_place(old, new, problem):
    (first,) = problems(changed(old, new))
    line = line_of(old)
    assert first.startswith(f"x.yaml:{line}: {problem}"), first


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('name: "17"', "name: 17", 'x.yaml:6: pods[1].name: got 17, expected text; did you mean "17"?'),
        ('name: "18"', 'name: "17"', "x.yaml:7: pods[2].name: got '17', expected a name of its own (pods[1] has it)"),
        ("weight: 3", "weight: 0", "x.yaml:6: pods[1].weight: got 0, expected 1 or more"),
    ],
)
def test_wrong_pod_is_reported_with_its_place(old, new, problem):
    assert problems(WHOLE.replace("accounts: 4\n", PODS).replace(old, new)) == [problem]


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        (
            "servers: {upgraded: {conections: 40}}\n",
            "servers.upgraded.conections: got unknown key 'conections', expected one ",
        ),
        ("pods: 3\n", "pods: got 3, expected a list"),
    ],
)
def test_plain_mistakes_are_reported(more, problem):
    (first, *_) = problems(WHOLE.replace("accounts: 4\n", "") + more + TIMELINE.splitlines()[0] + " []\n")
    assert problem in first


def test_stages_that_are_no_list_are_reported_beside_a_timeline():
    stages = WHOLE[WHOLE.index("stages:") :]
    assert any("stages: got 5, expected a list" in problem for problem in problems(TEXT.replace(stages, "stages: 5\n")))


@pytest.mark.parametrize(
    "sent",
    [
        'url: "http://127.0.0.1/x?token=abcdef"',
        'url: "http://127.0.0.1/x", body: \'{"password": "abcdef"}\'',
        'url: "http://127.0.0.1/x", headers: {X-Api-Key: abcdef}',
    ],
)
def test_literal_secrets_in_calls_are_refused(sent):
    (problem,) = problems(WHOLE + f"timeline:\n  - {{stage: steady, do: http, {sent}}}\n")
    assert "a literal secret" in problem
    assert "abcdef" not in problem


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        ("do: kill, worker: true, for: 1s", "no such key: a killed worker is not replaced"),
        ("do: pause, worker: true, for: 21s", "20s or less: a worker that is silent for much longer counts as lost"),
    ],
)
def test_workers_are_neither_replaced_nor_waited_for(action, expected):
    whole = WHOLE.replace("duration: 15s", "duration: 60s")
    (line,) = problems(whole + f"timeline:\n  - {{stage: steady, {action}}}\n")
    assert expected in line


def test_accounts_are_counted_in_one_place():
    (problem,) = problems(WHOLE.replace("accounts: 4\n", "accounts: 4\n" + PODS))
    assert problem == ("x.yaml:4: accounts: got 4, expected no such key beside pods, each of which has its accounts")


def test_each_place_needs_an_agent_to_be_judged():
    (problem,) = problems(
        changed("{name: steady, duration: 15s, agents: 60", "{name: steady, duration: 15s, agents: 7")
    )
    assert "agents: got 7, expected 8 or more: each account needs an agent to be judged" in problem


def test_who_comes_back_later_must_have_gone():
    (problem,) = problems(
        changed("arrivals_per_s: 30, judge: true", "arrivals_per_s: 30, judge: true, return_within: 2s")
    )
    assert "return_within: got '2s', expected a share of agents that reconnect beside it (reconnect: 1.0)" in problem
