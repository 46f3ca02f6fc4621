"""The page on pathologies: every fault has its row, with what its module declares, and its scenario."""

import re
from pathlib import Path

import pytest

from loadtests.faultnames import FAULTS, is_real_on
from loadtests.pod.faults.contract import load_fault
from loadtests.scenario.finding import read_scenario

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "pathologies.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| `([\w-]+)` \| [^|]* \| .* \| `(\w+)` of `([\w.]+)` \|$", PAGE, re.M)


def test_faults_of_the_page_are_those_of_the_table() -> None:
    declared = [(name, load_fault(name).cause, load_fault(name).operation) for name in FAULTS]
    assert declared == ROWS


@pytest.mark.parametrize("name", FAULTS)
def test_every_fault_has_a_scenario_on_a_storage_that_can_have_it(name: str) -> None:
    scenario, _ = read_scenario(ROOT / "scenarios" / "pathologies" / f"{name}.yaml")
    assert (scenario.name, scenario.faults, scenario.rounds) == (name, (name,), 1)
    assert all(is_real_on(name, storage) for storage in scenario.storages)
    assert [stage.judge for stage in scenario.stages] == [False, True, False]
    assert scenario.duration_s <= 60
