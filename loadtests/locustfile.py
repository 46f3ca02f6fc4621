# mypy: disable-error-code="no-untyped-call"
"""What Locust loads: `locust -f loadtests/locustfile.py --processes N`, headless or with its web UI."""

from typing import Any

from locust import events

from loadtests.generator import locusthooks
from loadtests.generator.admission import check_options_of, refuse
from loadtests.generator.master import StagesShape
from loadtests.limits.descriptors import raise_soft_limit
from loadtests.users.agent import Agent
from loadtests.webui.exposure import problems_of_exposure, problems_of_sources
from loadtests.webui.options import add_options

__all__ = ["Agent", "StagesShape"]


def _add_options(parser: Any) -> None:
    add_options(parser)
    check_options_of(parser, lambda _: problems_of_sources(parser), problems_of_exposure)


raise_soft_limit()  # Locust itself stops at 10,000
locusthooks.install()


def _add_pages(environment: Any, runner: Any, web_ui: Any, **_: Any) -> None:
    """Locust ends with exit code 1 when this fails, as with any listener: no web UI is ever left unprotected."""
    if web_ui is None:
        return
    from loadtests.webui.control import RunControl  # the master's alone
    from loadtests.webui.localworkers import LocalWorkers
    from loadtests.webui.locustpage import LocustPage
    from loadtests.webui.protection import protect

    options = environment.parsed_options
    protect(web_ui, options)
    if StagesShape.master is None or StagesShape.conductor is None:
        refuse(["LOADTESTS_PLAN describes one run, which a web UI does not start: add --headless"])
        return
    control = RunControl(environment, runner, StagesShape.master, StagesShape.conductor)
    LocustPage(web_ui, control).add()
    LocalWorkers(runner, control, options)


events.init_command_line_parser.add_listener(_add_options)
events.init.add_listener(_add_pages)
