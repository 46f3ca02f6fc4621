"""The protocol of a run: the scenario's or the command line's, refused in one sentence where it cannot be used."""

import sys
from pathlib import Path

import pytest

from loadtests.conductor.choices import Generator
from loadtests.conductor.failures import BadInput
from loadtests.conductor.preflight.request import StudyRequest, check_form, choose
from loadtests.conductor.run.manifest import protocol
from loadtests.pod.__main__ import main as pod
from loadtests.protocols import PROTOCOLS
from loadtests.scenario import RunPlan
from loadtests.scenario.finding import find_scenario

sys.path.insert(0, str(Path(__file__).parents[1] / "protocols"))
SMOKE = find_scenario("smoke").read_text(encoding="utf-8")


@pytest.fixture(autouse=True)
def toy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PROTOCOLS, "toy", "toy_protocol:SPEC")
    monkeypatch.setitem(PROTOCOLS, "targets-only", f"{__name__}:TARGETS_ONLY")
    monkeypatch.setenv("LOADTESTS_TOKEN_SECRET", "s")


def __getattr__(name: str) -> object:
    from dataclasses import replace

    from loadtests.protocols.jsonrpc import SPEC

    if name == "TARGETS_ONLY":
        return replace(SPEC, name="targets-only", server=None)
    raise AttributeError(name)


def chosen(scenario: str, given: str | None, target: str | None = None) -> str:
    """The protocol that a run gets."""
    request = StudyRequest(
        scenario=scenario, storages=[], target=target, label="candidate" if target else None, databases=[], i_own=[],
        rounds=1, runs=Path("runs"), seed=1, generator=Generator(), protocol=given,
    )  # fmt: skip
    return choose(request).protocol


def scenario(tmp_path: Path, line: str) -> str:
    path = tmp_path / "mine.yaml"
    kept = [text for text in SMOKE.splitlines() if not text.startswith("objectives:")]
    path.write_text("\n".join([*kept, line, ""]), encoding="utf-8")
    return str(path)


def test_command_line_comes_before_the_scenario(tmp_path: Path) -> None:
    mine = scenario(tmp_path, "protocol: jsonrpc,heartbeat_method=ping")
    assert chosen("smoke", None) == "messaging-pod.v1"
    assert chosen("smoke", "jsonrpc") == "jsonrpc"
    assert chosen(mine, None) == "jsonrpc,heartbeat_method=ping"
    assert chosen(mine, "messaging-pod.v1") == "messaging-pod.v1"
    assert chosen("smoke", "targets-only", "ws://127.0.0.1:9") == "targets-only"


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ("jsonrcp", "--protocol 'jsonrcp': expected one of .*; did you mean jsonrpc?"),
        ("", "--protocol '': expected one of messaging-pod.v1"),
        ("jsonrpc,heartbeat=x", "--protocol 'jsonrpc,heartbeat=x': expected an option of jsonrpc .*heartbeat_method"),
        ("toy", "--protocol 'toy': expected a protocol with every operation .*toy lacks .*chat.accept"),
        ("targets-only", "--protocol 'targets-only': expected a protocol that the reference pod speaks .*--target"),
    ],
)
def test_wrong_protocol_of_the_command_line_is_refused(given: str, problem: str) -> None:
    with pytest.raises(BadInput, match=problem) as refused:
        chosen("smoke", given)
    assert len(str(refused.value).splitlines()) == 1
    assert refused.value.exit_code == 64
    with pytest.raises(BadInput, match=problem):
        check_form("smoke", None, {}, given)
    if given != "targets-only":
        with pytest.raises(BadInput, match=problem):
            chosen("smoke", given, "ws://127.0.0.1:9")


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        ("jsonrcp", r"got 'jsonrcp', expected one of .*; did you mean jsonrpc\?"),
        ("toy", "got 'toy', expected a protocol with every operation of the workload; toy lacks "),
        ("targets-only", "got 'targets-only', expected a protocol that the reference pod speaks "),
        ("7", "got 7, expected text"),
    ],
)
def test_wrong_protocol_of_a_scenario_has_its_place(tmp_path: Path, written: str, problem: str) -> None:
    mine = scenario(tmp_path, f"protocol: {written}")
    line = len(Path(mine).read_text(encoding="utf-8").splitlines())
    with pytest.raises(BadInput, match=f"mine.yaml:{line}: protocol: {problem}") as refused:
        chosen(mine, None)
    assert len(str(refused.value).splitlines()) == 1


@pytest.mark.parametrize("given", ["jsonrcp", "targets-only", "jsonrpc,nothing"])
def test_pod_refuses_a_protocol_that_it_does_not_speak(given: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert pod(["--storage", "memory", "--protocol", given]) == 64
    assert capsys.readouterr().err.count("\n") == 1


def test_manifest_names_the_protocol() -> None:
    assert protocol("jsonrpc") == {"name": "jsonrpc", "options": {"heartbeat_method": "heartbeat"}, "one_way": []}
    assert protocol("toy,limit=3")["one_way"] == ["message.send"]


def test_plan_without_a_protocol_has_the_default() -> None:
    text = RunPlan("s/r", "/d", "", "x", 1, 0, (), protocol="jsonrpc").to_json()
    assert RunPlan.from_json(text).protocol == "jsonrpc"
    assert RunPlan.from_json(text.replace('"protocol": "jsonrpc", ', "")).protocol == "messaging-pod.v1"
