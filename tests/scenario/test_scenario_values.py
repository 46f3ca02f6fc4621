"""A scenario's values: names, units, defaults."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from pydantic_core import PydanticCustomError

from loadtests.configuration.values import parse_duration
from loadtests.records.vocabulary import OPERATIONS, PUSHES, TIMED_OPERATIONS
from loadtests.scenario import parse_scenario
from loadtests.scenario.finding import find_scenario, read_scenario

WHOLE = """\
name: agent-workday
description: Agents take chats all day.
seed: 20240702
accounts: 4
locales: [en_GB, de_DE]
storages: [sqlite, "postgres:pessimistic", "dual(mariadb,postgres:optimistic)"]
rounds: 2
agent:
  subscriptions: 4
  think: {median: 300ms, sigma: 0.5}
  chats_at_once: 3
  session: 20s
  churn: 5s
customer:
  arrivals: poisson
  patience: 10s
  messages: {min: 1, max: 4}
  pause: {median: 0.2s, sigma: 0}
timeouts: {default: 4s, chat.accept: 1m}
stages:
  - {name: warm-up, duration: 5s, agents: 40, arrivals_per_s: 10}
  - {name: ramp, duration: 4s, agents: 60, arrivals_per_s: 30.5, ramp: true}
  - {name: steady, duration: 15s, agents: 60, arrivals_per_s: 30, judge: true}
  - {name: storm, duration: 5s, agents: 60, arrivals_per_s: 30, reconnect: 1.0, reconnect_within: 500ms}
"""


def test_every_key_becomes_a_value():
    scenario = parse_scenario(WHOLE, "x.yaml")
    assert (scenario.name, scenario.seed, scenario.accounts, scenario.rounds) == ("agent-workday", 20240702, 4, 2)
    assert scenario.locales == ("en_GB", "de_DE")
    assert scenario.storages[2] == "dual(mariadb,postgres:optimistic)"
    agent, customer = scenario.agent, scenario.customer
    assert (agent.subscriptions, agent.think.median_s, agent.think.sigma) == (4, 0.3, 0.5)
    assert (agent.chats_at_once, agent.session_s, agent.churn_s) == (3, 20.0, 5.0)
    assert (customer.arrivals, customer.patience_s, customer.pause.median_s) == ("poisson", 10.0, 0.2)
    assert (customer.messages.min, customer.messages.max) == (1, 4)
    ramp, steady, storm = scenario.stages[1:]
    assert (ramp.ramp, ramp.judge, ramp.arrivals_per_s) == (True, False, 30.5)
    assert (steady.judge, steady.duration_s, steady.agents, steady.reconnect) == (True, 15.0, 60, 0.0)
    assert (storm.reconnect, storm.reconnect_within_s) == (1.0, 0.5)
    assert scenario.duration_s == 29.0


def test_timeouts_are_by_operation_with_a_default():
    scenario = parse_scenario(WHOLE, "x.yaml")
    assert (scenario.timeout_s("chat.accept"), scenario.timeout_s("chat.offer")) == (60.0, 4.0)
    bare = parse_scenario(WHOLE.replace("timeouts: {default: 4s, chat.accept: 1m}\n", ""), "x.yaml")
    assert bare.timeout_s("chat.accept") == 5.0


def test_churn_may_be_absent():
    assert parse_scenario(WHOLE.replace("  churn: 5s\n", ""), "x.yaml").agent.churn_s is None


def test_values_are_frozen():
    scenario = parse_scenario(WHOLE, "x.yaml")
    with pytest.raises(ValidationError):
        scenario.seed = 1
    with pytest.raises(TypeError):
        scenario.timeouts["default"] = 1.0


def test_timed_operations_are_the_vocabulary_without_pushes():
    assert tuple(o for o in OPERATIONS if o not in PUSHES) == TIMED_OPERATIONS
    everything = ", ".join(f"{o}: 1s" for o in TIMED_OPERATIONS)
    scenario = parse_scenario(WHOLE.replace("{default: 4s, chat.accept: 1m}", f"{{{everything}}}"), "x.yaml")
    assert {scenario.timeout_s(o) for o in TIMED_OPERATIONS} == {1.0}


@given(st.integers(0, 10**9 - 1), st.sampled_from([("ms", 0.001), ("s", 1.0), ("m", 60.0), ("h", 3600.0)]))
def test_durations_are_seconds(number, unit):
    assert parse_duration(f"{number}{unit[0]}") == pytest.approx(number * unit[1], abs=1e-9)


@given(st.decimals(0, 1000, places=3))
def test_durations_may_have_decimals(number):
    assert parse_duration(f"{number:f}s") == pytest.approx(float(number))


@given(st.one_of(st.text(max_size=12), st.integers(), st.floats(), st.none(), st.booleans(), st.just([])))
def test_what_is_not_a_duration_is_refused(value):
    if isinstance(value, str) and value[:1].isdigit() and value[-1:] in "smh":
        return
    with pytest.raises(PydanticCustomError):
        parse_duration(value)


@pytest.mark.parametrize(
    "value", ["20 s", "20S", "-1s", "+1s", "1.s", ".5s", "1e3s", "1d", "\u0661s", "20s\n", "1us", "∞s"]
)
def test_durations_in_other_shapes_are_refused(value):
    with pytest.raises(PydanticCustomError):
        parse_duration(value)


def test_a_scenario_reads_the_same_from_its_own_file(tmp_path):
    path = tmp_path / "own.yaml"
    path.write_text(WHOLE)
    assert (
        read_scenario(find_scenario(path))[0]
        == read_scenario(find_scenario(str(path)))[0]
        == parse_scenario(WHOLE, "elsewhere")
    )
