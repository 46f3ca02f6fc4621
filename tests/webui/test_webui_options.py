"""Where a master listens that starts its workers itself."""

import socket

import pytest
from locust.argument_parser import LocustArgumentParser

from loadtests.generator.ownrun import conductor_arguments
from loadtests.webui.options import add_options


def master_ports() -> tuple[int, int]:
    parser = LocustArgumentParser(add_help=False)
    add_options(parser)
    assert parser.get_default("master_bind_host") == "127.0.0.1"
    return parser.get_default("master_bind_port"), parser.get_default("master_port")


def test_arguments_that_are_parsed_anew_name_the_same_private_port():
    bound, connected = master_ports()
    assert bound == connected
    assert master_ports() == (bound, connected)


def test_the_private_port_is_kept_until_the_master_listens_there():
    port, _ = master_ports()
    with socket.socket() as stranger, pytest.raises(OSError, match="in use"):
        stranger.bind(("127.0.0.1", port))
    with socket.create_server(("127.0.0.1", port)) as master:  # allows reuse, as Locust's does
        assert master.getsockname()[1] == port


def test_master_for_workers_elsewhere_listens_as_configured(monkeypatch):
    monkeypatch.setattr("sys.argv", ["locust", "--master"])
    parser = LocustArgumentParser(add_help=False)
    add_options(parser)
    assert parser.get_default("master_bind_port") is None


def test_locust_variables_choose_scenario_and_storage(monkeypatch, tmp_path):
    path = str(tmp_path / "mine.yaml")
    monkeypatch.setenv("LOCUST_SCENARIO", path)
    monkeypatch.setenv("LOCUST_STORAGE", "postgres:optimistic")
    parser = LocustArgumentParser(add_help=False)
    add_options(parser)
    chosen = parser.parse_args([])
    assert (chosen.scenario, chosen.storage) == (path, "postgres:optimistic")
    offered = next(action.choices for action in parser._actions if action.dest == "scenario")
    assert offered[0] == path
    chosen = parser.parse_args(["--scenario", "smoke", "--storage", "redis"])
    assert (chosen.scenario, chosen.storage) == ("smoke", "redis")


def test_commands_are_allowed_on_the_command_line_only():
    parser = LocustArgumentParser(add_help=False)
    add_options(parser)
    assert "--allow-commands" not in conductor_arguments(parser.parse_args([]))
    assert conductor_arguments(parser.parse_args(["--allow-commands"]))[-1] == "--allow-commands"


def test_options_of_access_are_not_in_the_form():
    parser = LocustArgumentParser(add_help=False)
    add_options(parser)
    assert set(parser.args_included_in_web_ui) == {"scenario", "storage"}
