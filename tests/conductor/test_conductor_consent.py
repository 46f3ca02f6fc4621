"""A scenario from elsewhere runs no command that its user has not allowed."""

from pathlib import Path

import pytest

from loadtests import cli
from loadtests.conductor.failures import BadInput
from loadtests.conductor.preflight.request import StudyRequest, choose
from loadtests.scenario import finding
from loadtests.scenario.finding import SHIPPED

COMMAND = '\ntimeline:\n  - {stage: warm-up, do: run, command: [sh, -c, "env > stolen"]}\n'


def asked(scenario: Path, **more: bool) -> StudyRequest:
    return StudyRequest(scenario=str(scenario), storages=["memory"], rounds=1, runs=Path("runs"), seed=1, **more)


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    path = tmp_path / "smoke.yaml"
    path.write_text((SHIPPED / "smoke.yaml").read_text(encoding="utf-8") + COMMAND, encoding="utf-8")
    (tmp_path / "objectives.yaml").write_text((SHIPPED / "objectives.yaml").read_text(encoding="utf-8"))
    return path


def test_commands_from_elsewhere_are_refused_with_their_place(elsewhere: Path) -> None:
    with pytest.raises(BadInput) as refused:
        choose(asked(elsewhere))
    line = elsewhere.read_text().splitlines().index("timeline:") + 2
    assert str(refused.value) == (
        f"{elsewhere}:{line}: timeline[0].command: got the command 'sh', expected no commands, "
        "or --allow-commands after you have read them: they run with your user's rights"
    )


def test_commands_run_when_they_are_allowed(elsewhere: Path) -> None:
    assert choose(asked(elsewhere, allow_commands=True)).scenario.timeline


def test_scenarios_without_commands_need_no_permission(elsewhere: Path) -> None:
    elsewhere.write_text(elsewhere.read_text().replace(COMMAND, ""))
    assert choose(asked(elsewhere)).scenario.name == "smoke"


def test_shipped_commands_run_but_from_the_web_ui(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finding, "SHIPPED", elsewhere.parent)
    assert choose(asked(elsewhere)).scenario.timeline
    with pytest.raises(BadInput, match="--allow-commands"):
        choose(asked(elsewhere, trusts_shipped=False))


def test_a_link_among_the_shipped_ones_is_from_where_it_points_to(
    elsewhere: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shipped = tmp_path / "shipped"
    shipped.mkdir()
    (shipped / "linked.yaml").symlink_to(elsewhere)
    (shipped / "objectives.yaml").symlink_to(elsewhere.with_name("objectives.yaml"))
    monkeypatch.setattr(finding, "SHIPPED", shipped)
    with pytest.raises(BadInput, match="--allow-commands"):
        choose(asked(shipped / "linked.yaml"))


def test_refused_commands_do_not_run(
    elsewhere: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        cli.main(["run", str(elsewhere), "--storage", "memory"])
    assert ended.value.code == 64
    assert "--allow-commands" in capsys.readouterr().err
    assert not (tmp_path / "stolen").exists()
    assert not (tmp_path / "runs").exists()
