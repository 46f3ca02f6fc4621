"""`loadtests ui`: its arguments, and the web UI that they ask for."""

import argparse
import sys
from argparse import _ArgumentGroup

from loadtests import environment
from loadtests.commandline import ALLOW_COMMANDS, EX_USAGE, add_runs, port, positive


def add_arguments(ui: argparse.ArgumentParser) -> None:
    ui.add_argument("scenario", metavar="SCENARIO", nargs="?", help="what the start form begins with")
    ui.add_argument("--storage", metavar="NAME", help="what the start form begins with")
    ui.add_argument("--protocol", metavar="NAME", help="the wire protocol (default: the scenario's)")
    add_runs(ui, "studies go")
    ui.add_argument("--processes", metavar="N", type=positive, default=1, help="Locust workers (default: 1)")
    ui.add_argument(
        "--port", metavar="N", dest="web_port", type=port, default=8089, help="of the web UI (default: 8089)"
    )
    ui.add_argument(
        ALLOW_COMMANDS, action="store_true", help="let scenarios run the commands of their timelines (do: run)"
    )
    _add_access(ui.add_argument_group("access to the web UI (docs/web-ui.md)"))
    _add_target(ui.add_argument_group("a pod that is running already, instead of one that the web UI starts"))
    ui.set_defaults(do=_ui)


def _add_access(access: _ArgumentGroup) -> None:
    access.add_argument(
        "--web-host",
        metavar="HOST",
        default="127.0.0.1",
        help="where it listens (default: 127.0.0.1); any other address needs --web-login",
    )
    access.add_argument("--web-login", action="store_true", help="ask for the password of LOADTESTS_WEB_PASSWORD")
    access.add_argument(
        "--web-password-file", metavar="FILE", default="", help="the password, instead of LOADTESTS_WEB_PASSWORD"
    )
    access.add_argument(
        "--allowed-host",
        metavar="NAME",
        action="append",
        default=[],
        help="a further name under which it answers, as behind a proxy; may be repeated",
    )
    access.add_argument("--tls-cert", metavar="FILE", default="", help="certificate, for https")
    access.add_argument("--tls-key", metavar="FILE", default="", help="its private key")


def _add_target(target: _ArgumentGroup) -> None:
    target.add_argument("--target", metavar="URL", help="its address; tokens from LOADTESTS_TOKEN_SECRET")
    target.add_argument("--label", metavar="NAME", help="what it is called in reports")
    target.add_argument("--database", metavar="NAME:ENGINE", help="a database behind it to watch, as of run")
    target.add_argument("--i-own", metavar="HOST", help="allow a target or database there")


def _ui(arguments: argparse.Namespace) -> int:
    from loadtests.conductor.commands.webui import web_ui
    from loadtests.webui.exposure import address_of, problems_of_access

    if problems := problems_of_access(arguments):
        print("\n".join(f"loadtests ui: {problem}" for problem in problems), file=sys.stderr)
        return EX_USAGE
    variables = environment.user_variables()  # Locust's choose scenario and storage here as well
    arguments.scenario = arguments.scenario or variables.get("LOCUST_SCENARIO") or None
    arguments.storage = arguments.storage or variables.get("LOCUST_STORAGE") or None
    return web_ui(arguments, address_of(arguments))
