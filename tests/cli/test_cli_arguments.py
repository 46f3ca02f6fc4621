"""What people type, and the exit code that they get: by the command in a process of its own."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest
from childcommand import in_child

import loadtests.conductor.commands.study
from loadtests.cli import build_parser, main

SCENARIO = """\
name: tiny
accounts: 1
storages: [memory]
agent: {subscriptions: 1, think: {median: 100ms, sigma: 0.5}, chats_at_once: 3, session: 20s}
customer: {arrivals: poisson, patience: 5s, messages: {min: 1, max: 2}, pause: {median: 100ms, sigma: 0.5}}
stages:
  - {name: warm-up, duration: 1s, agents: 2, arrivals_per_s: 5}
  - {name: steady, duration: 2s, agents: 2, arrivals_per_s: 5, judge: true}
"""


@pytest.fixture
def scenario(tmp_path: Path) -> str:
    path = tmp_path / "tiny.yaml"
    path.write_text(SCENARIO)
    return str(path)


def loadtests(*arguments: str, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    return in_child(main, *arguments, cwd=cwd, environment=environment)


def test_help_names_every_command():
    command = [sys.executable, "-m", "loadtests", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0
    assert all(f"\n    {name} " in done.stdout for name in ("run", "export", "pod", "doctor", "clean", "ui", "schema"))


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["run", "smoke", "--stroage", "sqlite"], "--stroage sqlite; did you mean --storage?"),
        (["clean", "--rnus=x"], "--rnus=x; did you mean --runs?"),
        (["schema", "more"], "more"),
    ],
)
def test_unknown_option_is_refused_by_its_command(arguments: list[str], problem: str, capsys) -> None:
    with pytest.raises(SystemExit) as ended:
        build_parser().parse_args(arguments)
    assert ended.value.code == 64
    expected = f"loadtests {arguments[0]}: unrecognized arguments: {problem}"
    assert capsys.readouterr().err.splitlines()[-1] == expected


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["walk"],
        ["run"],
        ["run", "smoke", "--rounds", "0"],
        ["run", "smoke", "--processes", "two"],
        ["run", "smoke", "--seed", "-1"],
        ["run", "smoke", "--master"],
        ["run", "smoke", "--bind", "127.0.0.1:1"],
        ["ui", "--port", "0"],
        ["run", "smoke", "--runs", ""],
        ["export", "", "--to", "x"],
        ["run", "--worker", "nowhere"],
        ["run", "--worker", "127.0.0.1:70000", "--wait", "1"],
        ["run", "--worker", "127.0.0.1:²", "--wait", "1"],
        ["run", "smoke", "--wait", "1"],
        ["run", "smoke", "--worker", "127.0.0.1:1"],
        ["export", "runs"],
    ],
)
def test_bad_arguments_exit_with_64_and_usage(arguments):
    done = loadtests(*arguments)
    assert done.returncode == 64
    assert "usage:" in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--worker", "127.0.0.1:1", "--seed", "0"], "leave out --seed"),
        (["--worker", "127.0.0.1:1", "--rounds", "2", "--i-own", "x"], "leave out --rounds, --i-own"),
        (["smoke", "--worker", "127.0.0.1:1"], "leave out SCENARIO"),
        (["smoke", "--master", "--expect-workers", "1", "--bind", "127.0.0.1:²"], ":²: expected HOST:PORT"),
        (["smoke", "--master", "--expect-workers", "1", "--bind", "127.0.0.1:1", "--processes", "2"], "--processes is"),
        (["smoke", "--tags", "x"], "--tags x"),
        (["smoke", "-t", "5s"], "-t 5s"),
    ],
)
def test_an_option_without_effect_is_refused_by_name(arguments, named):
    done = loadtests("run", *arguments)
    assert done.returncode == 64
    assert named in done.stderr


def test_all_problems_at_once(tmp_path):
    done = loadtests("run", "smok", "--storage", "sqlit", "--storage", "memory", "--storage", "memory", cwd=tmp_path)
    assert done.returncode == 64
    assert "smoke" in done.stderr
    assert "did you mean 'sqlite'" in done.stderr
    assert "named twice" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_target_elsewhere_is_refused_without_a_word_sent(scenario, tmp_path):
    url = "ws://pod.example.com:9"
    done = loadtests("run", scenario, "--target", url, "--label", "x", cwd=tmp_path, LOADTESTS_TOKEN_SECRET="s")
    assert done.returncode == 64
    assert "--i-own pod.example.com" in done.stderr


@pytest.mark.parametrize("host", ["localhost.evil.example", "127.0.0.1.nip.io", "[::2]", "0.0.0.0", "2130706433"])
def test_names_similar_to_loopback_are_refused(scenario, tmp_path, host):
    arguments = ("run", scenario, "--target", f"ws://{host}:9", "--label", "x")
    done = loadtests(*arguments, cwd=tmp_path, LOADTESTS_TOKEN_SECRET="s")
    assert done.returncode == 64
    assert "--i-own" in done.stderr


def test_a_target_needs_a_label_and_a_secret(scenario, tmp_path):
    done = loadtests("run", scenario, "--target", "http://127.0.0.1", cwd=tmp_path, LOADTESTS_TOKEN_SECRET="")
    assert done.returncode == 64
    assert all(word in done.stderr for word in ("ws://", "--label", "LOADTESTS_TOKEN_SECRET"))


def test_missing_file_of_authorities_is_refused_by_name(scenario, tmp_path):
    arguments = ("run", scenario, "--target", "wss://127.0.0.1:9", "--label", "x")
    done = loadtests(*arguments, cwd=tmp_path, LOADTESTS_TOKEN_SECRET="s", SSL_CERT_FILE="/no/where.pem")
    assert done.returncode == 64
    assert "SSL_CERT_FILE names /no/where.pem, which cannot be read" in done.stderr


def test_a_target_that_is_down_is_69_with_its_address(scenario, tmp_path):
    with socket.socket() as bound:  # bound and never listening: no other process can answer there
        bound.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{bound.getsockname()[1]}"
        arguments = ("run", scenario, "--target", f"ws://{address}", "--label", "x")
        done = loadtests(*arguments, cwd=tmp_path, LOADTESTS_TOKEN_SECRET="s")
    assert done.returncode == 69
    assert address in done.stderr
    assert "start the pod" in done.stderr
    assert done.stdout == ""


def test_a_target_without_a_name_in_dns_is_69(scenario, tmp_path):
    host = "no-such-host.invalid"
    arguments = ("run", scenario, "--target", f"ws://{host}", "--label", "x", "--i-own", host)
    done = loadtests(*arguments, cwd=tmp_path, LOADTESTS_TOKEN_SECRET="s")
    assert done.returncode == 69
    assert host in done.stderr


def test_no_postgres_is_69_before_anything_starts(scenario, tmp_path):
    arguments = ("run", scenario, "--storage", "postgres")
    done = loadtests(*arguments, cwd=tmp_path, LOADTESTS_POSTGRES_BIN=str(tmp_path))
    assert done.returncode == 69
    assert "PostgreSQL" in done.stderr
    assert not list(tmp_path.glob("runs/*"))


def test_a_runs_directory_that_cannot_be_written_is_69(scenario, tmp_path):
    (tmp_path / "file").write_text("")
    done = loadtests("run", scenario, "--storage", "memory", "--runs", str(tmp_path / "file" / "runs"))
    assert done.returncode == 69
    assert "--runs" in done.stderr


def test_doctor_names_missing_parts(tmp_path):
    done = loadtests("doctor", LOADTESTS_POSTGRES_BIN=str(tmp_path))
    assert done.returncode == 0
    assert "Python" in done.stdout
    assert "missing  PostgreSQL" in done.stdout
    assert "without it: --storage postgres" in done.stdout


def test_export_of_something_else_is_64(tmp_path):
    done = loadtests("export", str(tmp_path), "--to", str(tmp_path / "out"))
    assert done.returncode == 64
    assert "not a run directory" in done.stderr


def test_a_reader_that_has_read_enough_is_no_fault() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "loadtests", "doctor"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as output:
        assert output.stdout
        assert output.stderr
        output.stdout.close()
        assert output.stderr.read() == ""
    assert output.returncode == 0
