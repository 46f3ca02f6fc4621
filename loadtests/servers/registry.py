"""Private servers by engine."""

from collections.abc import Sequence
from pathlib import Path
from typing import cast

from loadtests import engines
from loadtests.servers.accounts import server_account
from loadtests.servers.binaries import Binaries, Product, find
from loadtests.servers.contract import DatabaseServer, ServerUnavailable
from loadtests.servers.private import CONTENT, PrivateServer
from loadtests.servers.size import Size


def create_server(  # noqa: PLR0913  a size in the words of `resize`
    engine: str,
    directory: Path,
    *,
    choices: Sequence[str] = (),
    connections: int | None = None,
    memory_mb: int | None = None,
    cores: int | None = None,
) -> DatabaseServer:
    """A server of an engine that has one, not started yet, in `directory`, which must not exist or be empty.

    `choices` are those of the storage's name that uses it; `everysec` concerns a Redis, the others are passed over.
    Raises ServerUnavailable, FileExistsError.
    """
    return _class(engine).create(directory, Size().changed(connections, memory_mb, cores), choices)


def programs(engine: str) -> Binaries:
    """The programs that a server would be made of. Raises ServerUnavailable."""
    return find(product(engine))


def product(engine: str) -> Product:
    """The installation that is searched for."""
    return _class(engine).product


def content(engine: str) -> frozenset[str]:
    """The names in a server's directory, without drafts, whose names begin with a dot."""
    return CONTENT | (_class(engine).own_content if engines.has(engine, "server") else frozenset())


def files_needed(engine: str, connections: int | None) -> int:
    """The fewest open files with which a server takes so many connections of pods; None: as many as by default."""
    return _class(engine).files_needed(Size().changed(connections, None, None).connections)


def missing(engine: str) -> str | None:
    """Why no server of the engine can be made here; None when one can, or the engine needs none."""
    if not engines.has(engine, "server"):
        return None
    try:
        programs(engine)
        server_account(engine)
    except ServerUnavailable as error:
        return str(error)
    return None


def _class(engine: str) -> type[PrivateServer]:
    return cast(type[PrivateServer], engines.load(engine, "server"))
