"""The page about timelines names every action with every key, and its examples are valid."""

import re
from pathlib import Path
from typing import get_args

import pytest

from loadtests.scenario import Action, parse_scenario

TEXT = (Path(__file__).parents[2] / "docs" / "timeline.md").read_text(encoding="utf-8")
KINDS = {get_args(kind.model_fields["do"].annotation)[0]: kind for kind in get_args(get_args(Action)[0])}

BASE = """\
name: x
agent: {subscriptions: 0, think: {median: 1s, sigma: 0}, chats_at_once: 1, session: 1h}
customer: {arrivals: poisson, patience: 1s, messages: {min: 0, max: 0}, pause: {median: 1s, sigma: 0}}
stages:
  - {name: warm-up, duration: 5s, agents: 20, arrivals_per_s: 1}
  - {name: dual-write, duration: 30s, agents: 20, arrivals_per_s: 1, judge: true}
"""


def row(do):
    (found,) = re.findall(rf"^\| `{do}` \|(.*)$", TEXT, re.MULTILINE)
    return found


@pytest.mark.parametrize("do", KINDS)
def test_every_action_is_described_with_its_keys(do):
    keys = {field.alias or name for name, field in KINDS[do].model_fields.items()} - {"do", "stage", "after"}
    described = set(re.findall(r"`([a-z_]+)(?:: true)?`", row(do)))
    assert keys <= described, keys - described


def test_no_other_action_is():
    assert re.findall(r"^\| `([a-z]+)` \|", TEXT, re.MULTILINE) == ["do", *KINDS]


def test_the_examples_are_valid():
    examples = re.findall(r"^```yaml\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
    pods, sizes, actions = examples
    scenario = parse_scenario(
        BASE + pods.replace("{name: eu", '{name: "18"}\n  - {name: eu') + sizes + actions, "x.yaml"
    )
    assert len(scenario.pods) == 4
    assert [a.do for a in scenario.timeline] == ["migrate", "hold"]
