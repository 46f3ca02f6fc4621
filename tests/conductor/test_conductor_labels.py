"""Labels of targets and storage systems: what a directory, a terminal and a page can show."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from loadtests.cli import build_parser
from loadtests.conductor.choices import Generator
from loadtests.conductor.failures import BadInput
from loadtests.conductor.preflight.request import StudyRequest, choose
from loadtests.scenario.finding import SHIPPED

SMOKE = SHIPPED / "smoke.yaml"


@pytest.fixture(autouse=True)
def secret(monkeypatch):
    monkeypatch.setenv("LOADTESTS_TOKEN_SECRET", "s")


def asked(label: str) -> StudyRequest:
    target = {"target": "ws://127.0.0.1:9", "label": label, "databases": [], "i_own": []}
    return StudyRequest(
        scenario="smoke", storages=[], rounds=1, runs=Path("runs"), seed=1, generator=Generator(), **target
    )


@pytest.mark.parametrize("label", ["candidate", "Candidate 2.0 (ü) 😀", "x" * 100, "-a", "a/b", '"<b>&`$x`'])
def test_label_is_kept_as_it_is(label):
    (subject,) = choose(asked(label)).subjects
    assert subject.name == label


def test_label_has_one_form_of_unicode():
    (subject,) = choose(asked("u\u0308x")).subjects
    assert subject.name == "\u00fcx"


@pytest.mark.parametrize(
    ("label", "words"),
    [
        ("", "needs --label NAME"),
        ("日本", "--label 日本: expected at least one letter a to z or digit"),
        ("a\nb", r"--label a\x0ab: got '\n', expected characters that can be seen"),
        ("a\x1b[31m", r"got '\x1b'"),
        ("a\u202eb", r"got '\u202e'"),
        (os.fsdecode(b"a\xff"), r"got '\udcff'"),
        ("x" * 101, "101 characters, at most 100 expected"),
    ],
)
def test_label_that_cannot_be_shown_is_refused(label, words):
    with pytest.raises(BadInput) as caught:
        choose(asked(label))
    assert words in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def labels_of(tmp_path, *given: str, text: str = "", storages=("sqlite", "postgres")) -> dict[str, str]:
    path = tmp_path / "mine.yaml"
    path.write_text(SMOKE.read_text().replace("objectives: objectives.yaml\n", "") + text)
    request = StudyRequest(scenario=str(path), storages=storages, labels=given, runs=tmp_path / "runs")
    return {subject.name: subject.label for subject in choose(request).subjects}


def test_storage_systems_have_labels_of_command_line(tmp_path):
    assert labels_of(tmp_path, "sqlite=file", "postgres:pessimistic=old locks") == {
        "sqlite": "file",
        "postgres": "old locks",
    }


def test_labels_of_scenario_give_way_to_those_of_command_line(tmp_path):
    text = 'labels: {sqlite: file, "postgres:pessimistic": old, redis: unused}\n'
    assert labels_of(tmp_path, text=text) == {"sqlite": "file", "postgres": "old"}
    assert labels_of(tmp_path, "sqlite=one file", text=text) == {"sqlite": "one file", "postgres": "old"}


@pytest.mark.parametrize(("given", "words"), [
    (["file"], "--label file: expected STORAGE=TEXT or, for a pod of your own, --target too"),
    (["redis=x"], "--label redis=x: the storage systems of this study are sqlite, postgres"),
    (["sqlite=a", "sqlite=b"], "--label sqlite=b: this storage system already has a label"),
    (["sqlite=a", "postgres=a"], "label a: two storage systems have it"),
    ([f"sqlite={'x' * 33}"], "33 characters, at most 32 expected"),
    (["sqlite=a\x1bb"], r"got '\x1b', expected characters that can be seen"),
])  # fmt: skip
def test_label_of_storage_that_cannot_be_used_is_refused(tmp_path, given, words):
    with pytest.raises(BadInput) as refused:
        labels_of(tmp_path, *given)
    assert words in str(refused.value)


def test_label_in_scenario_has_its_place(tmp_path):
    with pytest.raises(BadInput) as refused:
        labels_of(tmp_path, text="labels: {sqlite: ''}\n")
    assert "mine.yaml:" in str(refused.value)
    assert "1 to 32 characters that can be seen" in str(refused.value)


def test_target_has_one_label():
    with pytest.raises(BadInput, match="--label: named twice; the pod of --target has one"):
        choose(replace(asked("a"), labels=["a", "b"]))


def test_options_of_commands_are_one_label_or_several():
    parsed = build_parser().parse_args(["run", "smoke", "--label", "sqlite=a", "--label", "redis=b"])
    assert StudyRequest.of(parsed, Generator(), rounds=1).labels == ["sqlite=a", "redis=b"]
    parsed = build_parser().parse_args(["run", "smoke", "--target", "ws://x", "--label", "a=b"])
    assert StudyRequest.of(parsed, Generator(), rounds=1).label == "a=b"
