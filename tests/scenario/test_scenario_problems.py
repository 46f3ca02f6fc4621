"""Bad scenarios: every problem at once, each with its place, the wrong value, what was expected and the nearest key."""

import re

import pytest
from test_scenario_values import WHOLE

from loadtests.faultnames import FAULTS
from loadtests.scenario import ScenarioError, parse_scenario


def problems(text):
    with pytest.raises(ScenarioError) as raised:
        parse_scenario(text, "x.yaml")
    return str(raised.value).splitlines()


def only(text):
    (problem,) = problems(text)
    return problem


def changed(old, new):
    assert old in WHOLE
    return WHOLE.replace(old, new, 1)


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("seed: 20240702", "seed: yes", "x.yaml:3: seed: got 'yes', expected a whole number"),
        ("seed: 20240702", "seed: 1.5", "x.yaml:3: seed: got 1.5, expected a whole number"),
        ("accounts: 4", "accounts: 0", "x.yaml:4: accounts: got 0, expected 1 or more"),
        ("accounts: 4", "accounts: true", "x.yaml:4: accounts: got true, expected a whole number"),
        ("rounds: 2", "rounds: 100", "x.yaml:7: rounds: got 100, expected 99 or less"),
        ("[en_GB, de_DE]", "[]", "x.yaml:5: locales: got a list, expected at least 1 item"),
        (
            "[en_GB, de_DE]",
            "[en_GB, de-de]",
            "x.yaml:5: locales[1]: got 'de-de', expected a locale, such as en_GB or de_DE; did you mean de_DE?",
        ),
        (
            "session: 20s",
            "session: 20",
            "x.yaml:12: agent.session: got 20, expected a duration with a unit, such as 20s, 500ms or 2m; "
            "did you mean 20s?",
        ),
        ("session: 20s", "session: 0s", "x.yaml:12: agent.session: got '0s', expected more than 0"),
        (
            "rounds: 2",
            "faults: [hot-counter, lost-event]",
            "x.yaml:7: faults[1]: got 'lost-event', expected one of "
            + ", ".join(FAULTS)
            + "; did you mean lost-events?",
        ),
        (
            "chats_at_once: 3",
            "chat_at_once: 3\n  chats_at_once: 3",
            "x.yaml:11: agent.chat_at_once: got unknown key 'chat_at_once', expected one of subscriptions, think, "
            "chats_at_once, session, churn; did you mean chats_at_once?",
        ),
        (
            "  chats_at_once: 3\n",
            "",
            "x.yaml:8: agent.chats_at_once: got nothing, expected a value: the key is required",
        ),
        ("sigma: 0.5", "sigma: .nan", "x.yaml:10: agent.think.sigma: got nan, expected a finite number"),
        ("sigma: 0.5", "sigma: -1", "x.yaml:10: agent.think.sigma: got -1, expected 0 or more"),
        (
            "arrivals: poisson",
            "arrivals: poison",
            "x.yaml:15: customer.arrivals: got 'poison', expected one of poisson, constant; did you mean poisson?",
        ),
        (
            "{min: 1, max: 4}",
            "{min: 5, max: 4}",
            "x.yaml:17: customer.messages: got min 5, max 4, expected min to be no greater than max",
        ),
        (
            "chat.accept: 1m",
            "chat.acept: 1m",
            "x.yaml:19: timeouts.chat.acept: got 'chat.acept', expected one of default, connection.create, "
            "subscription.create, subscription.delete, chat.offer, chat.accept, message.send, chat.close, "
            "connection.close; did you mean chat.accept?",
        ),
        ("chat.accept: 1m", "chat.accept: 0s", "x.yaml:19: timeouts.chat.accept: got '0s', expected more than 0"),
        ("duration: 4s", "duration: -4s", None),
        ("agents: 40", "agents: -1", "x.yaml:21: stages[0].agents: got -1, expected 0 or more"),
        ("reconnect: 1.0", "reconnect: 1.1", "x.yaml:24: stages[3].reconnect: got 1.1, expected 1 or less"),
        ("judge: true", "judge: 'true'", None),
        ("stages:", "stages: soon\nx:", None),
    ],
)
def test_single_values(old, new, problem):
    found = problems(changed(old, new))
    assert problem in found if problem else found


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        (
            "arrivals_per_s: 10}",
            "arrivals_per_s: 10, ramp: true}",
            "x.yaml:21: stages[0].ramp: got true, expected false: the first stage has none before it to grow from",
        ),
        (
            "arrivals_per_s: 10}",
            "arrivals_per_s: 10, judge: true}",
            "x.yaml:21: stages[0].judge: got true, "
            "expected false: the first stage warms up, and warm-up is never judged",
        ),
        (
            "arrivals_per_s: 10}",
            "arrivals_per_s: 10, reconnect: 0.5}",
            "x.yaml:21: stages[0].reconnect: got 0.5, expected 0: in the first stage no agent is connected yet",
        ),
        (", judge: true", "", "x.yaml:20: stages: got no judged stage, expected at least one stage with judge: true"),
        (
            "name: storm",
            "name: steady",
            "x.yaml:24: stages[3].name: got 'steady', expected a name of its own (stages[2] has it)",
        ),
        (
            "agents: 60, arrivals_per_s: 30, judge",
            "agents: 3, arrivals_per_s: 30, judge",
            "x.yaml:23: stages[2].agents: got 3, expected 4 or more: each account needs an agent to be judged",
        ),
        (
            "reconnect_within: 500ms",
            "reconnect_within: 6s",
            "x.yaml:24: stages[3].reconnect_within: got '6s', expected no longer than the stage (5s)",
        ),
        (
            "reconnect: 1.0, ",
            "",
            "x.yaml:24: stages[3].reconnect_within: got '500ms', "
            "expected a share of agents that reconnect beside it (reconnect: 1.0)",
        ),
    ],
)
def test_stages_that_cannot_be(old, new, problem):
    assert only(changed(old, new)) == problem


def test_warm_up_is_not_judged_in_any_place():
    text = changed("name: ramp", "name: x").replace("name: warm-up", "name: y").replace("name: steady", "name: warm-up")
    assert "warm-up is never judged" in only(text)


@pytest.mark.parametrize(
    "storage",
    ["SQLite", "postgres:", "dual(a", "dual()", "dual(a,)", "../x", "a b", "postgres://h/d", "", ":x", "a(b(c))"],
)
def test_storages_in_other_shapes(storage):
    assert "storages[0]: got" in only(changed("[sqlite,", f'["{storage}",'))


def test_all_problems_at_once_in_order_of_their_lines():
    text = (
        changed("seed: 20240702", "seed: x")
        .replace("session: 20s", "session: 20")
        .replace(", judge: true", "")
        .replace("name: storm", "name: ramp")
        .replace("rounds: 2", "round: 2\nrounds: 2\nrounds: 3")
    )
    found = problems(text)
    lines = [int(re.match(r"x\.yaml:(\d+): ", p)[1]) for p in found]
    assert lines == sorted(lines) == [3, 7, 9, 14, 22, 26]
    assert all(" got " in p and ", expected " in p for p in found)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("seed:", "password: hunter2\nseed:"),
        ("seed:", "api_key: hunter2\nseed:"),
        ("session:", "token: hunter2\n  session:"),
        ("Agents take chats all day.", "see postgres://me:hunter2@db/x"),
        ("seed:", "# psql postgres://me:hunter2@db/x\nseed:"),
        ("[sqlite,", '["redis://:hunter2@h",'),
    ],
)
def test_literal_secrets_are_refused_and_not_repeated(old, new):
    found = "\n".join(problems(changed(old, new)))
    assert "expected a reference to the environment, ${env:NAME}" in found
    assert "hunter2" not in found


def test_references_to_the_environment_are_welcome():
    text = changed("Agents take chats all day.", "see postgres://me:${env:PGPASSWORD}@db/x")
    assert "${env:PGPASSWORD}" in parse_scenario(text, "x.yaml").description
