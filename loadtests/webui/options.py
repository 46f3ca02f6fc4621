"""Our arguments of Locust's command line; scenario and storage are fields of the web UI's start form, too."""

import os
import sys
from collections.abc import Iterable, Mapping
from functools import cache
from itertools import pairwise
from typing import Any

from loadtests import storagenames
from loadtests.conductor.ports import free_port
from loadtests.scenario import scenario_files
from loadtests.webui.passwords import FILE_OPTION, VARIABLE

SCENARIO_VARIABLE = "LOCUST_SCENARIO"


_COMMAND_LINE_ONLY: Mapping[str, Mapping[str, Any]] = {
    "--target": {"metavar": "URL", "default": "", "help": "A pod that runs already, instead of one of ours"},
    "--label": {"metavar": "NAME", "default": "", "help": "The target's name in reports"},
    "--database": {
        "metavar": "NAME:ENGINE",
        "default": "",
        "help": "A database behind the target to watch; its address from LOADTESTS_DSNS",
    },
    "--i-own": {
        "metavar": "HOST",
        "default": "",
        "help": "Needed for a target that is not on this host: says that you may load it",
    },
    "--protocol": {
        "metavar": "NAME",
        "default": "",
        "help": "How operations travel on the wire, instead of the scenario's own protocol",
    },
    "--runs-dir": {"metavar": "DIR", "default": "runs", "help": "Where run directories are made"},
    "--allow-commands": {
        "action": "store_true",
        "help": "Let scenarios run the commands of their timelines (do: run), with your user's rights",
    },
    "--allowed-host": {
        "metavar": "NAME",
        "action": "append",
        "default": [],
        "help": "A further name or address under which the web UI answers, as behind a proxy; may be repeated",
    },
    FILE_OPTION: {
        "metavar": "FILE",
        "default": "",
        "help": f"The password of --web-login, on the first line; otherwise {VARIABLE} has it",
    },
}
"""Options that are no fields of the web UI's start form."""


class Suggestions(list[str]):
    """Choices for the form's menu that do not forbid others: a scenario may also be a path, and a storage composed.
    The conductor judges what is given."""

    def __contains__(self, _: object) -> bool:
        return True


def add_options(parser: Any) -> None:
    """Listener of Locust's `init_command_line_parser`."""
    parser.add_argument(
        "--scenario",
        choices=Suggestions(_with_asked(scenario_files())),
        default="agent-workday",
        env_var=SCENARIO_VARIABLE,
        help="Scenario to run, by name; on the command line also by path",
    )
    parser.add_argument(
        "--storage",
        choices=Suggestions(storagenames.names()),
        default="sqlite",
        env_var="LOCUST_STORAGE",
        help="Storage system behind the pod",
    )
    for name, settings in _COMMAND_LINE_ONLY.items():
        parser.add_argument(name, **settings, include_in_web_ui=False)
    parser.set_defaults(web_host="127.0.0.1", expect_workers_max_wait=60, **_private_master())


def _with_asked(scenarios: Iterable[str]) -> list[str]:
    """A menu that does not have its own first choice would begin with another one."""
    offered = list(scenarios)
    asked = [after for word, after in pairwise(sys.argv) if word == "--scenario"]
    asked = asked or [os.environ.get(SCENARIO_VARIABLE, "")]
    return [*(name for name in asked if name and name not in offered), *offered]


def _private_master() -> dict[str, Any]:
    """Where the master listens by default: when Locust starts the workers itself, for this host only, and
    on a port of its own, so that two tests do not get each other's workers."""
    if {"--master", "--worker"} & set(sys.argv) or {"LOCUST_MODE_MASTER", "LOCUST_MODE_WORKER"} & set(os.environ):
        return {}
    return {"master_bind_host": "127.0.0.1", "master_bind_port": _port(), "master_port": _port()}


@cache
def _port() -> int:
    """Reserved until this process ends; one port, however often arguments are parsed."""
    port = free_port()
    while str(port) in sys.argv:  # another option uses it
        port = free_port()
    return port
