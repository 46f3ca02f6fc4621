"""What of Locust's own options and of other locustfiles is refused, because it would change the load."""

import subprocess
import sys
from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest
from locust import LoadTestShape, User, argument_parser, input_events, main, task
from locust.env import Environment
from locust_runs import LOCUSTFILE

from loadtests.generator.admission import (
    check_options_of,
    problems_of_environment,
    problems_of_options,
    without_user_keys,
)
from loadtests.generator.channel import tokens
from loadtests.generator.master import StagesShape
from loadtests.joining import JOIN_TOKEN, TOKEN_SECRET
from loadtests.users.agent import Agent


def problems(*arguments: str) -> list[str]:
    parser = argument_parser.get_empty_argument_parser(default_config_files=[])
    argument_parser.setup_parser_arguments(parser)
    return list(problems_of_options(parser.parse_args(list(arguments))))


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("--host", "ws://x"), "--host (or LOCUST_HOST) is refused: use --target URL"),
        (("-u", "3"), "--users (or LOCUST_USERS) is refused: the scenario's stages"),
        (("-r", "3"), "--spawn-rate (or LOCUST_SPAWN_RATE) is refused: the scenario's stages"),
        (("-t", "5s"), "--run-time (or LOCUST_RUN_TIME) is refused: the scenario's stages"),
        (("--tags", "x"), "--tags (or LOCUST_TAGS) is refused"),
        (("-E", "x"), "--exclude-tags (or LOCUST_EXCLUDE_TAGS) is refused"),
        (("--class-picker",), "--class-picker (or LOCUST_USERCLASS_PICKER) is refused"),
        (
            ("--config-users", '{"user_class_name": "Agent", "fixed_count": 1}'),
            "--config-users (or LOCUST_CONFIG_USERS)",
        ),
        (("--equal-weights",), "--equal-weights is refused"),
        (("--enable-rebalancing",), "--enable-rebalancing is refused"),
        (("--stop-timeout", "3"), "--stop-timeout (or LOCUST_STOP_TIMEOUT) is refused"),
        (("--reset-stats",), "--reset-stats (or LOCUST_RESET_STATS) is refused: mark the stages"),
        (("--csv", "x"), "--csv (or LOCUST_CSV) is refused"),
        (("--html", "x"), "--html (or LOCUST_HTML) is refused"),
        (("--json",), "--json is refused"),
        (("--json-file", "x"), "--json-file is refused"),
        (("--exit-code-on-error", "0"), "--exit-code-on-error (or LOCUST_EXIT_CODE_ON_ERROR) is refused"),
        (("--otel",), "--otel (or LOCUST_ENABLE_OPENTELEMETRY) is refused"),
        (("--profile", "x"), "--profile is refused"),
        (("Agent",), "the user class Agent is refused"),
        (("--processes", "2", "--expect-workers", "3"), "--expect-workers is refused beside --processes"),
    ],
)
def test_options_that_would_change_the_load_are_refused(arguments: tuple[str, ...], named: str) -> None:
    (problem,) = problems(*arguments)
    assert problem.startswith(named)


def test_every_refused_option_is_named_at_once() -> None:
    assert len(problems("-u", "3", "-t", "5s", "--tags", "x")) == 3


@pytest.mark.parametrize("name", ["LOCUST_TAGS", "LOCUST_USERS", "LOCUST_RUN_TIME", "LOCUST_USER_CLASSES"])
def test_variables_that_would_change_the_load_are_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "7")
    assert len(problems()) == 1


def test_options_that_leave_the_load_alone_are_allowed() -> None:
    allowed = ["--headless", "--processes", "2", "--loglevel", "debug", "--only-summary", "--web-port", "8090"]
    assert problems(*allowed) == []
    assert problems("--master", "--expect-workers", "3", "--master-bind-port", "5000") == []


def test_the_parser_refuses_with_the_exit_code_of_bad_input(capsys: pytest.CaptureFixture[str]) -> None:
    parser = argument_parser.get_empty_argument_parser(default_config_files=[])
    argument_parser.setup_parser_arguments(parser)
    check_options_of(parser)
    assert parser.parse_args(["--headless"]).headless
    with pytest.raises(SystemExit) as end:
        parser.parse_args(["--headless", "-t", "5s"])
    assert end.value.code == 64
    assert "loadtests: --run-time" in capsys.readouterr().err


class Foreign(User):
    @task
    def idle(self) -> None: ...


class OtherShape(LoadTestShape):
    def tick(self) -> None: ...


@pytest.mark.parametrize(
    ("classes", "shape", "text"),
    [
        ([Agent, Foreign], StagesShape(), "test_generator_admission.Foreign is refused: it would replace a share"),
        ([Foreign], StagesShape(), "loadtests.users.agent.Agent is missing"),
        ([Agent], OtherShape(), "the load shape has to be StagesShape, which follows the stages; found: OtherShape"),
        ([Agent], None, "found: none"),
    ],
)
def test_other_users_and_shapes_are_refused(classes: list[type[User]], shape: Any, text: str) -> None:
    found = problems_of_environment(Environment(user_classes=classes, shape_class=shape))
    assert any(text in problem for problem in found)


def test_our_own_locustfile_is_admitted() -> None:
    assert problems_of_environment(Environment(user_classes=[Agent], shape_class=StagesShape())) == []


def test_keys_that_add_or_remove_users_do_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    listeners: list[dict[str, Any]] = []
    monkeypatch.setattr(input_events, "input_listener", listeners.append)
    monkeypatch.setattr(main, "input_listener", None)
    without_user_keys()
    main.input_listener(dict.fromkeys(("w", "W", "s", "S", "\n"), int))  # type: ignore[attr-defined, misc]
    assert [list(keys) for keys in listeners] == [["\n"]]


@pytest.mark.e2e
def test_a_second_locustfile_with_users_is_refused(tmp_path: Path) -> None:
    other = tmp_path / "other.py"
    other.write_text("from locust import User\nclass Foreign(User):\n    tasks = [print]\n")
    done = subprocess.run(
        [sys.executable, "-m", "locust", "-f", f"{LOCUSTFILE},{other}", "--headless", "--processes", "2"],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 64, done.stderr
    assert done.stderr.count("the user class other.Foreign is refused") == 1
    assert "Traceback" not in done.stderr


def token_problems(*arguments: str) -> list[str]:
    parser = argument_parser.get_empty_argument_parser(default_config_files=[])
    argument_parser.setup_parser_arguments(parser)
    return tokens.problems_of_token(parser.parse_args(list(arguments)))


def test_master_and_worker_started_apart_need_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (JOIN_TOKEN, TOKEN_SECRET):
        monkeypatch.delenv(name, raising=False)
    for role in ("--master", "--worker"):
        (problem,) = token_problems(role)
        assert problem.startswith(f"{role} needs LOADTESTS_JOIN_TOKEN or LOADTESTS_TOKEN_SECRET in the environment")
    assert token_problems("--worker", "--processes", "2") != []
    assert token_problems("--processes", "2") == []
    monkeypatch.setenv(TOKEN_SECRET, "s")
    assert token_problems("--master") == []


def test_a_master_that_forks_has_a_token_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """No other worker can join it, with a token of the environment either."""
    monkeypatch.setenv(JOIN_TOKEN, "of the environment")
    monkeypatch.setitem(tokens._state, "forks", False)
    assert tokens.token() == "of the environment"
    tokens.note_options(Namespace(processes=2, worker=False))
    own = tokens.token()
    assert len(own) == 64
    assert own != "of the environment"
    tokens.note_options(Namespace(processes=2, worker=True))
    assert tokens.token() == "of the environment"


def test_without_a_token_no_socket_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (JOIN_TOKEN, TOKEN_SECRET):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setitem(tokens._state, "forks", False)
    with pytest.raises(RuntimeError, match="LOADTESTS_JOIN_TOKEN is not set"):
        tokens.token()
