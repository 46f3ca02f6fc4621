"""How large a server is."""

import os
from dataclasses import dataclass

from loadtests.limits.memory import total_bytes
from loadtests.servers.contract import ServerUnavailable

RESERVED = 5
"""Connections for superusers: observer, ledger, and administrators."""

FEWEST_CONNECTIONS = 10
LEAST_MEMORY_MB = 16


@dataclass(frozen=True)
class Size:
    """`connections` for the pods (what superusers need comes on top), `memory_mb` of cache or data, `cores` it may use.

    None is the engine's own choice: 128 MB of cache, or no limit for a Redis; every core. Raises ServerUnavailable for
    what no server here can be.
    """

    connections: int = 200
    memory_mb: int | None = None
    cores: int | None = None

    def __post_init__(self) -> None:
        _check("connections", self.connections, FEWEST_CONNECTIONS, 10_000)
        if self.memory_mb is not None:
            _check("memory_mb", self.memory_mb, LEAST_MEMORY_MB, memory_here_mb())
        if self.cores is not None:
            _check("cores", self.cores, 1, len(os.sched_getaffinity(0)))

    def changed(self, connections: int | None, memory_mb: int | None, cores: int | None) -> "Size":
        """With those that are given."""
        return Size(
            self.connections if connections is None else connections,
            self.memory_mb if memory_mb is None else memory_mb,
            self.cores if cores is None else cores,
        )


def memory_here_mb() -> int:
    """All of this machine's, or what its control groups allow us."""
    return total_bytes() // 2**20


def _check(what: str, asked: int, least: int, most: int) -> None:
    if not least <= asked <= most:
        raise ServerUnavailable(f"{what}: {asked} asked for, {least} to {most} is possible on this machine")
