"""Labels of targets: what a directory, a terminal and a page can show."""

import os
from pathlib import Path

import pytest

from loadtests.conductor.choices import Generator
from loadtests.conductor.failures import BadInput
from loadtests.conductor.preflight.request import StudyRequest, choose


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
