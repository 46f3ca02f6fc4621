# mypy: disable-error-code="no-untyped-call"
"""`python -m loadtests.generator`: Locust with its command line as its only settings.

Locust reads `~/.locust.conf`, `./locust.conf`, `pyproject.toml` and `LOCUST_*` variables as well. A tag, a run time, a
host or a headless mode of another project must not reach a load that the harness starts.
"""

from typing import Any

from loadtests import environment

if __name__ == "__main__":  # before any library is imported
    environment.clean()

import argparse
import os.path

from locust import argument_parser
from locust import main as locust_main


class CommandLineOnly(argument_parser.LocustArgumentParser):
    """Locust's parser without its settings files."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **{**settings, "default_config_files": ()})


_split_at_commas = argument_parser.get_locustfiles_locally


def _locustfiles(options: argparse.Namespace) -> Any:
    """The paths that `-f` names; a comma in the path of a file separates nothing."""
    path = options.locustfile
    return [os.path.abspath(path)] if os.path.isfile(path) else _split_at_commas(options)  # noqa: PTH100, PTH113


if __name__ == "__main__":
    argument_parser.LocustArgumentParser = CommandLineOnly  # type: ignore[misc]
    locust_main.get_locustfiles_locally = _locustfiles  # type: ignore[attr-defined]
    locust_main.main()
