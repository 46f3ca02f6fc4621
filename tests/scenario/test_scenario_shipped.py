"""The scenarios that come with the harness, and how they are found."""

import json
from pathlib import Path

import jsonschema
import pytest
from ruamel.yaml import YAML

from loadtests.scenario import ScenarioError, scenario_files
from loadtests.scenario.finding import SHIPPED, find_scenario, read_scenario, which_scenario
from loadtests.scenario.schema import SCHEMA_FILE, main, scenario_schema

NAMES = [
    "agent-workday",
    "canary-dwell",
    "cluster-maintenance",
    "incident-2024-06-25",
    "incident-2024-07-02",
    "lock-for-cpu",
    "reconnect-storm",
    "smoke",
    "storage-migration",
    "subscription-churn",
]


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_these_are_shipped(elsewhere):
    assert list(scenario_files()) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_each_is_valid_by_model_and_by_schema(name, elsewhere):
    scenario = read_scenario(find_scenario(name))[0]
    assert scenario.name == name
    assert len(scenario.description) > 80
    plain = YAML(typ="safe", pure=True).load(find_scenario(name).read_text())
    jsonschema.validate(plain, json.loads(SCHEMA_FILE.read_text()))


@pytest.mark.parametrize("name", NAMES)
def test_each_names_its_schema_for_editors(name):
    first = (SHIPPED / f"{name}.yaml").read_text().splitlines()[0]
    assert first == "# yaml-language-server: $schema=schema.json"


@pytest.mark.parametrize("name", NAMES)
def test_the_last_stage_is_not_judged_so_that_nothing_judged_is_cut_off(name):
    assert not read_scenario(find_scenario(name))[0].stages[-1].judge


def test_smoke_takes_twenty_seconds():
    assert read_scenario(find_scenario("smoke"))[0].duration_s == 20.0


def test_the_default_comparison_loads_for_three_minutes_at_most():
    scenario = read_scenario(find_scenario("agent-workday"))[0]
    assert scenario.storages == ("sqlite", "postgres:pessimistic", "postgres:optimistic")
    assert scenario.duration_s * scenario.rounds * len(scenario.storages) <= 180
    assert scenario.accounts <= 4


def test_the_schema_is_that_of_the_model():
    assert SCHEMA_FILE.read_text() == scenario_schema(), "run: python -m loadtests.scenario.schema"


def test_the_schema_can_be_made_again(tmp_path, capsys):
    main(tmp_path / "schema.json")
    assert (tmp_path / "schema.json").read_text() == scenario_schema()
    assert capsys.readouterr().out.strip().endswith("schema.json")


@pytest.mark.parametrize("wrong", [{"session": 20}, {"sesion": "20s"}])
def test_the_schema_refuses_what_the_model_refuses(wrong):
    plain = YAML(typ="safe", pure=True).load((SHIPPED / "smoke.yaml").read_text())
    plain["agent"].update(wrong)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(plain, json.loads(scenario_schema()))


def test_the_working_directory_goes_first(elsewhere):
    (elsewhere / "scenarios").mkdir()
    mine = elsewhere / "scenarios" / "smoke.yaml"
    mine.write_text((SHIPPED / "smoke.yaml").read_text().replace("seed: ", "seed: 9").replace("objectives: ", "# "))
    assert str(read_scenario(find_scenario("smoke"))[0].seed).startswith("9")
    assert list(scenario_files()) == NAMES


def test_chosen_one_of_two_scenarios_is_named(elsewhere):
    assert which_scenario("smoke") == ""
    (elsewhere / "smoke.yaml").touch()
    assert which_scenario("smoke") == f"scenario smoke: {SHIPPED / 'smoke.yaml'}; to run smoke.yaml, give its path"
    assert which_scenario("smoke.yaml") == ""
    (elsewhere / "scenarios").mkdir()
    (elsewhere / "scenarios" / "smoke.yaml").touch()
    expected = "scenario smoke: scenarios/smoke.yaml of the working directory, not the shipped one of that name"
    assert which_scenario("smoke") == expected
    assert which_scenario(str(SHIPPED / "smoke.yaml")) == ""


def test_the_checkout_itself_is_not_two(monkeypatch):
    monkeypatch.chdir(SHIPPED.parent)
    assert which_scenario("smoke") == ""


def test_a_scenario_of_ones_own_has_a_name_too(elsewhere):
    (elsewhere / "scenarios").mkdir()
    (elsewhere / "scenarios" / "mine.yml").write_text((SHIPPED / "lock-for-cpu.yaml").read_text())
    assert find_scenario("mine") == Path("scenarios/mine.yml")
    assert which_scenario("mine") == ""


@pytest.mark.parametrize(("asked", "meant"), [("smoke.yaml", "smoke"), ("mine", "mine.yaml")])
def test_name_and_file_are_distinguished(elsewhere, asked, meant):
    (elsewhere / "mine.yaml").touch()
    with pytest.raises(ScenarioError, match=rf"did you mean {meant}\?"):
        read_scenario(find_scenario(asked))[0]


def test_an_unknown_name_lists_the_known_ones(elsewhere):
    with pytest.raises(ScenarioError) as raised:
        read_scenario(find_scenario("reconect-storm"))[0]
    assert str(raised.value).endswith(
        f"got 'reconect-storm', expected a path, or one of {', '.join(NAMES)}; did you mean reconnect-storm?"
    )


def test_objectives_have_to_be_there(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text((SHIPPED / "smoke.yaml").read_text().replace("objectives: objectives", "objectives: objektives"))
    (tmp_path / "objectives.yaml").touch()
    with pytest.raises(ScenarioError, match=r"objectives: got 'objektives.yaml'.*did you mean objectives.yaml\?"):
        read_scenario(find_scenario(path))[0]


def test_objectives_are_no_scenario(elsewhere):
    assert Path(SHIPPED, "objectives.yaml").exists()
    with pytest.raises(ScenarioError):
        read_scenario(find_scenario("objectives"))[0]
