"""Private database servers: created in a directory of their own, and gone when their owner is."""

from pathlib import Path

from loadtests.servers.errors import ServerUnavailable
from loadtests.servers.postgres import PostgresServer

FILES = ("sqlite",)
Server = PostgresServer


def create_server(engine: str, directory: Path, choices: tuple[str, ...] = (), **size: int) -> Server:
    return PostgresServer.create(directory)
