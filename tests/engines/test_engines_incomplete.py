"""An engine that lacks a part is refused by name before anything starts."""

import subprocess
import sys
from pathlib import Path

import pytest

from loadtests import storagenames
from loadtests.conductor.preflight.target_databases import databases_behind
from loadtests.engines import ENGINES, check, load
from loadtests.parts import IncompleteError
from loadtests.storagenames import StorageNameError

END = ": complete its entry in loadtests/engines.py"


def test_every_engine_is_complete() -> None:
    for engine in ENGINES:
        check(engine)


@pytest.mark.parametrize("part", ["storage", "address", "server", "probe", "ledger"])
def test_part_that_a_server_needs_is_missed(toy_with, part: str) -> None:
    toy_with(**{part: ""})
    with pytest.raises(StorageNameError) as caught:
        storagenames.parse("dual(sqlite,toy:safe)")
    assert str(caught.value) == f"engine toy lacks its {part}{END}"


@pytest.mark.parametrize("part", ["calibration", "sessions"])
def test_engine_may_do_without_some_parts(toy_with, part: str) -> None:
    toy_with(**{part: ""})
    assert storagenames.parse("toy").engine == "toy"
    with pytest.raises(IncompleteError, match=f"engine toy has no {part}"):
        load("toy", part)


@pytest.mark.parametrize(
    ("place", "why"),
    [
        ("toyengine.gone:X", "there is no module toyengine.gone"),
        ("no_such_module:X", "there is no module no_such_module"),
        ("no_such_package.deep:X", "there is no module no_such_package"),
        ("toyengine:Ledger", "toyengine has no Ledger"),
        ("toyengine", "toyengine has no name after the colon"),
        (":", "there is no module "),
    ],
)
def test_part_that_cannot_be_found_is_named_with_its_place(toy_with, place: str, why: str) -> None:
    toy_with(ledger=place)
    with pytest.raises(StorageNameError) as caught:
        storagenames.parse("toy")
    assert str(caught.value) == f"engine toy lacks its ledger, {place} ({why}){END}"


def test_server_without_a_user_is_refused(toy_with) -> None:
    toy_with(os_user="")
    with pytest.raises(StorageNameError, match="engine toy lacks its os_user"):
        storagenames.parse("toy")


def test_database_behind_a_target_needs_an_address(toy_with) -> None:
    toy_with(address="")
    problems: list[str] = []
    databases_behind(["chats:toy"], '{"chats": "toy://x"}', (), problems)
    assert problems == [f"--database chats:toy: engine toy lacks its address{END}"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "smoke", "--storage", "toy"),
        ("calibrate", "--storage", "toy"),
        ("pod", "--storage", "toy"),
        ("ui", "--storage", "toy"),
    ],
)
def test_commands_refuse_it_before_anything_starts(toy_processes, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    toy_processes(probe="toyengine:Prob")
    command = [sys.executable, "-m", "loadtests", *arguments, "--runs", str(tmp_path / "runs")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, cwd=tmp_path)
    assert done.returncode == 64, done.stderr
    assert f"engine toy lacks its probe, toyengine:Prob (toyengine has no Prob){END}" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "runs").exists()
