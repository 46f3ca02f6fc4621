"""Passwords that stand where none belongs: in a command's arguments, or in a scenario."""

import time
from pathlib import Path

import pytest

from loadtests import cli
from loadtests.credentials import without_credentials
from loadtests.scenario.finding import SHIPPED, ScenarioError, read_scenario
from reports.gate.command import main as gate
from reports.report_command import main as report

SECRET = "hunter2"
ADDRESSES = (
    f"postgres://carol:{SECRET}@db.example/x",
    f"redis://:{SECRET}@db:6379/0",
    f"host=db password={SECRET} user=carol",
    f"host=db password='{SECRET} {SECRET}' user=carol",
    f"Server=db;Uid=carol;Pwd={SECRET};",
    f"https://db.example/?user=carol&access_token={SECRET}&x=1",
    f"postgres://carol:a/{SECRET}@db.example/x",
    f"postgres://carol:a@{SECRET}@db.example/x",
    f"postgres://carol@server:{SECRET}@db.example/x",
    f"//carol:{SECRET}@db.example/x",
    f"carol:{SECRET}@db.example/x",
    f"host=db password='a\\'{SECRET} b' user=carol",
    f"host=db password='a''{SECRET}' user=carol",
)
ARGUMENTS = (
    "run|ADDRESS",
    "run|smoke|--storage|ADDRESS",
    "run|smoke|--target|ADDRESS|--label|x",
    "run|smoke|--target|ws://127.0.0.1:1/|--label|ADDRESS",
    "run|smoke|--target|ws://127.0.0.1:1/|--label|x|--database|ADDRESS",
    "run|smoke|--seed|ADDRESS",
    "run|smoke|ADDRESS",
    "run|smoke|--ADDRESS",
    "run|--worker|ADDRESS",
    "run|smoke|--master|--expect-workers|1|--bind|ADDRESS",
    "pod|--storage|ADDRESS",
    "ui|ADDRESS",
    "ui|smoke|--target|ADDRESS",
    "calibrate|--storage|ADDRESS",
    "export|ADDRESS|--to|x",
    "ADDRESS",
)


def code_of(command, arguments: list[str]) -> int:
    try:
        return int(command(arguments))
    except SystemExit as ended:
        return int(ended.code or 0)


@pytest.mark.parametrize("address", ADDRESSES)
def test_message_omits_only_the_password(address: str) -> None:
    output = without_credentials(f"no such file: {address}; try again")
    assert SECRET not in output
    assert output.startswith("no such file: ")
    assert output.endswith("; try again")
    assert "***" in output
    assert "db" in output


@pytest.mark.parametrize(
    "text",
    [
        "postgres://carol:${env:PASSWORD}@db/x", "password=${env:PASSWORD}", "http://db:80/a@b", "http://db:80?to=a@b",
        "ws://[::1]:80/a@b", "carol@db.example:80", "x.yaml:3: got a@b", "/* chat.accept@pod-1 */", "at 10:5@pod",
    ],
)  # fmt: skip
def test_what_is_no_password_stays(text: str) -> None:
    assert without_credentials(text) == text


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize("line", ARGUMENTS)
def test_a_refused_argument_is_quoted_without_its_password(
    line: str, address: str, capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LOADTESTS_TOKEN_SECRET", "signed-with-this")
    code = code_of(cli.main, [word.replace("ADDRESS", address) for word in line.split("|")])
    out, err = capfd.readouterr()
    assert code in (64, 69), err
    assert SECRET not in out + err


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize("command", [report, gate])
def test_neither_do_report_and_gate_show_it(command, address: str, capfd: pytest.CaptureFixture[str]) -> None:
    codes = [
        code_of(command, [address]),
        code_of(command, ["--objectives", address, "."]),
        code_of(command, ["x", address]),
    ]
    out, err = capfd.readouterr()
    assert set(codes) <= {64, 69}
    assert err
    assert SECRET not in out + err


PLACES = {
    "name: ": "name: '{}' #",
    "seed: ": "seed: '{}' #",
    "storages: ": "storages: ['{}'] #",
    "locales: ": "locales: ['{}'] #",
    "accounts: ": "'{}': 5\naccounts: ",
}


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize("key", PLACES)
def test_a_wrong_value_of_a_scenario_is_quoted_without_its_password(key: str, address: str, tmp_path: Path) -> None:
    """Neither as it is, nor as a part of a name that is proposed."""
    path, quoted = tmp_path / "mine.yaml", address.replace("'", "''")
    lines = (SHIPPED / "smoke.yaml").read_text(encoding="utf-8").splitlines()
    lines = [PLACES[key].format(quoted) + line.removeprefix(key) if line.startswith(key) else line for line in lines]
    path.write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(ScenarioError) as wrong:
        read_scenario(path)
    assert f"{path}:" in str(wrong.value)
    assert SECRET not in str(wrong.value)


@pytest.mark.parametrize("piece", ["://a:", "a:", "//", ":/", "password='\\"])
def test_long_text_is_cleaned_in_time(piece: str) -> None:
    began = time.process_time()
    without_credentials(piece * (64_000 // len(piece)))
    assert time.process_time() - began < 2.0
