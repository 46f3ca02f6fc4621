# mypy: disable-error-code="no-untyped-call"
"""`python -m loadtests.users`: Locust with its command line as its only settings.

Locust reads `~/.locust.conf`, `./locust.conf`, `pyproject.toml` and `LOCUST_*` variables as well. A tag, a run time, a
host or a headless mode of another project must not reach a load that the harness starts.
"""

from typing import Any

from loadtests import environment

if __name__ == "__main__":  # before any library is imported
    environment.clean()

from locust import argument_parser
from locust.main import main


class CommandLineOnly(argument_parser.LocustArgumentParser):
    """Locust's parser without its settings files."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **{**settings, "default_config_files": ()})


if __name__ == "__main__":
    argument_parser.LocustArgumentParser = CommandLineOnly  # type: ignore[misc]
    main()
