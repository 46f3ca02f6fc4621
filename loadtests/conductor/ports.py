"""Ports: one that is free and stays so, and whether one that was asked for is."""

import socket

_HELD: list[socket.socket] = []


def free_port() -> int:
    """A free port of this host for a child: Locust cannot choose one itself and report it.

    The kernel gives it to no other process while this one runs: we keep a socket there that allows reuse and never
    listens, so that one that allows it too, as Locust's do, can.
    """
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind(("127.0.0.1", 0))
    _HELD.append(held)
    port: int = held.getsockname()[1]
    return port


def problems_of_port(option: str, host: str, port: int) -> list[str]:
    """What keeps us from listening there; `option` is what people asked for it with."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(
            None if host == "*" else host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # what has just ended is not in the way
            probe.bind(address)
    except OSError as error:
        return [f"{option}: cannot listen at {host}:{port}: {error.strerror}. Choose another port, or end what has it"]
    return []
