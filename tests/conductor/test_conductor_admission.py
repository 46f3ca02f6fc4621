"""What a master asks of worker hosts: which secret they prove, and where processes of one host have it from."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from loadtests.conductor.choices import Generator, Subject, Target
from loadtests.conductor.commands.study import _admission
from loadtests.conductor.hosts import localtoken
from loadtests.joining import JOIN_TOKEN, TOKEN_SECRET

OWN = Subject(storage="memory")
TARGET = Subject(target=Target("ws://x", "x"))


@pytest.fixture
def tokens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(localtoken, "directory", lambda: tmp_path / "tokens")
    for name in (JOIN_TOKEN, TOKEN_SECRET):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "tokens"


def choices(subject: Subject, bind: str | None = "127.0.0.1:5557") -> Any:
    return SimpleNamespace(subjects=(subject,), generator=Generator(expect_workers=2, bind=bind))


@pytest.mark.parametrize(
    ("subject", "environment", "proved", "variable", "secret"),
    [
        (TARGET, {TOKEN_SECRET: "s"}, "s", TOKEN_SECRET, "s"),
        (TARGET, {TOKEN_SECRET: "s", JOIN_TOKEN: "j"}, "j", JOIN_TOKEN, "s"),
        (OWN, {TOKEN_SECRET: "s", JOIN_TOKEN: "j"}, "j", JOIN_TOKEN, ""),
        (OWN, {JOIN_TOKEN: "j"}, "j", JOIN_TOKEN, ""),
    ],
)
def test_a_variable_is_what_hosts_prove(  # noqa: PLR0917  a table
    tokens: Path,
    monkeypatch: pytest.MonkeyPatch,
    subject: Subject,
    environment: dict[str, str],
    proved: str,
    variable: str,
    secret: str,
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with _admission(choices(subject)) as admission:
        assert (admission.join_secret, admission.join_variable, admission.secret) == (proved, variable, secret)
        assert f"'{proved}'" not in repr(admission)
        assert not tokens.exists()


@pytest.mark.parametrize("environment", [{}, {TOKEN_SECRET: "s"}])
def test_processes_of_one_host_read_a_file_that_is_removed(
    tokens: Path, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with _admission(choices(OWN)) as admission:
        assert admission.join_secret == localtoken.read(5557) != ""
        assert (admission.join_variable, admission.secret) == ("", "")
    assert list(tokens.iterdir()) == []


def test_a_study_without_worker_hosts_makes_no_token(tokens: Path) -> None:
    with _admission(choices(OWN, bind=None)) as admission:
        assert admission.join_secret == ""
    assert not tokens.exists()
