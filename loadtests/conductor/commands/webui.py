"""`loadtests ui`: the Locust web UI, from parsed arguments to the process that takes our place."""

import os
import sys
from argparse import Namespace
from typing import NoReturn

from loadtests import storagenames
from loadtests.conductor.failures import CannotRun, Unavailable
from loadtests.conductor.ports import problems_of_port
from loadtests.conductor.preflight.request import check_form
from loadtests.conductor.run.locust import locust_argv
from loadtests.environment import carrier_environment

_TARGET = ("target", "label", "database", "i_own")
"""Options about a pod that is running already."""


def web_ui(options: Namespace, address: str) -> int:  # noqa: RET503  the last line does not return
    """Becomes the Locust web UI until it is ended with Ctrl-C; returns when it cannot. Locust's command line, with our
    locustfile, decides whether it may listen there.

    `options` are those of `loadtests ui`; `address` is where this host's browser finds the web UI.
    """
    try:
        if note := check_form(options.scenario, options.storage, _target(options), options.protocol):
            print(note, file=sys.stderr)
        if problems := problems_of_port("--port", options.web_host or "*", options.web_port):
            raise Unavailable("\n".join(problems))
    except CannotRun as error:
        print(f"loadtests ui: {error}", file=sys.stderr)
        return error.exit_code
    print(f"the web UI is at {address} until you press Ctrl-C", file=sys.stderr)
    _become(web_ui_argv(options))


def _target(options: Namespace) -> dict[str, str]:
    return {name: value for name in _TARGET if (value := getattr(options, name)) is not None}


def _become(argv: list[str]) -> NoReturn:
    os.execve(argv[0], argv, carrier_environment())  # noqa: S606  it takes our place


def web_ui_argv(options: Namespace) -> list[str]:
    """The master chooses its own private port: one that we kept for it would be free once it has taken our place."""
    switches = [name for name in ("web_login", "allow_commands") if getattr(options, name)]
    files = {name: path for name in ("web_password_file", "tls_cert", "tls_key") if (path := getattr(options, name))}
    return [
        *(*locust_argv(), "--processes", str(options.processes)),
        *("--web-host", options.web_host, "--web-port", str(options.web_port), *map(_option, switches)),
        *(f"{_option(name)}={path}" for name, path in files.items()),
        *(f"--allowed-host={name}" for name in options.allowed_host),
        *("--runs-dir", str(options.runs)),
        *(("--scenario", options.scenario) if options.scenario else ()),
        *(("--storage", str(storagenames.parse(options.storage))) if options.storage else ()),
        *(("--protocol", options.protocol) if options.protocol else ()),
        *(f"{_option(name)}={value}" for name, value in _target(options).items()),
    ]


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"
