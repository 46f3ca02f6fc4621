"""Servers to be hurt, one of each engine."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from loadtests.engines import having
from loadtests.servers.contract import DatabaseServer
from loadtests.servers.registry import create_server


@pytest.fixture(scope="module", params=having("server"))
def engine(request: pytest.FixtureRequest) -> str:
    """Asks for the session's server, which skips where there is none of it."""
    name = str(request.param)
    request.getfixturevalue(f"{name}_server")
    return name


@pytest.fixture
def open_directory() -> Iterator[Path]:
    """One that every user can enter, unlike pytest's own."""
    yield from _open_directory()


@pytest.fixture(scope="module")
def server(engine: str) -> Iterator[DatabaseServer]:
    """One of the module's own; every test leaves it running."""
    for directory in _open_directory():
        with create_server(engine, directory / "servers" / engine) as own:
            yield own
        assert list((directory / "servers").iterdir()) == []


def _open_directory() -> Iterator[Path]:
    directory = Path(tempfile.mkdtemp())
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory)


@pytest.fixture
def started(engine: str, tmp_path: Path) -> Iterator[Callable[[], DatabaseServer]]:
    """Makes and starts servers of the test's own."""
    made: list[DatabaseServer] = []

    def start() -> DatabaseServer:
        made.append(create_server(engine, tmp_path / f"{engine}-{len(made)}"))
        made[-1].start()
        return made[-1]

    yield start
    for server in made:
        server.destroy()
