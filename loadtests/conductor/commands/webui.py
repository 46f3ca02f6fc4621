"""`loadtests ui`: the Locust web UI, from parsed arguments to the process that takes our place."""

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from loadtests import storagenames
from loadtests.conductor.failures import CannotRun, Unavailable
from loadtests.conductor.ports import problems_of_port
from loadtests.conductor.preflight.request import check_form
from loadtests.conductor.run.locust import locust_argv
from loadtests.environment import carrier_environment


@dataclass(frozen=True)
class WebUi:
    """What the web UI's start form begins with, and where it is. None: what the form itself prefers."""

    scenario: str | None
    storage: str | None
    runs: Path
    processes: int
    port: int
    target: Mapping[str, str] = field(default_factory=dict)
    """`target`, `label`, `database` and `i_own`, those that were given: a pod that is running already."""
    host: str = "127.0.0.1"
    """Where it listens."""
    address: str = ""
    """Where this host's browser finds it."""
    protocol: str | None = None
    access: Sequence[str] = ()
    """Further options, as Locust's command has them: who may use it, and for what."""


def web_ui(request: WebUi) -> int:  # noqa: RET503  the last line does not return
    """Becomes the Locust web UI until it is ended with Ctrl-C; returns when it cannot. Locust's command line, with our
    locustfile, decides whether it may listen there."""
    try:
        if note := check_form(request.scenario, request.storage, request.target, request.protocol):
            print(note, file=sys.stderr)
        if problems := problems_of_port("--port", request.host or "*", request.port):
            raise Unavailable("\n".join(problems))
    except CannotRun as error:
        print(f"loadtests ui: {error}", file=sys.stderr)
        return error.exit_code
    print(f"the web UI is at {request.address} until you press Ctrl-C", file=sys.stderr)
    _become(web_ui_argv(request))


def _become(argv: list[str]) -> NoReturn:
    os.execve(argv[0], argv, carrier_environment())  # noqa: S606  it takes our place


def web_ui_argv(request: WebUi) -> list[str]:
    """The master chooses its own private port: one that we kept for it would be free once it has taken our place."""
    return [
        *(*locust_argv(), "--processes", str(request.processes)),
        *("--web-host", request.host, "--web-port", str(request.port), *request.access),
        *("--runs-dir", str(request.runs)),
        *(("--scenario", request.scenario) if request.scenario else ()),
        *(("--storage", str(storagenames.parse(request.storage))) if request.storage else ()),
        *(("--protocol", request.protocol) if request.protocol else ()),
        *(f"--{name.replace('_', '-')}={value}" for name, value in request.target.items()),
    ]
