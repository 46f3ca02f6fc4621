# mypy: disable-error-code="no-untyped-call"
"""Whether a worker is still there. Silence does not tell: one that gets no processor says nothing, either."""

import zmq
from locust import runners
from locust.rpc import Message

LOST_AFTER_S = 30
"""A worker whose host or network has vanished, so that nothing closed its connection, is lost after so much silence."""


def be_patient() -> None:
    """Locust gives up a worker after three seconds of silence, and its users with it."""
    runners.HEARTBEAT_LIVENESS = LOST_AFTER_S


def connected(runner: runners.MasterRunner, client: str) -> bool:
    """Whether a worker's connection stands. Its kernel closes it when its process has ended, however that was, and
    keeps it for one that stands still. A socket that is told to tells so when something is sent."""
    socket = runner.server.socket
    socket.setsockopt(zmq.ROUTER_MANDATORY, 1)
    try:
        socket.send_multipart([client.encode(), Message("heartbeat", None, client).serialize()], zmq.NOBLOCK)
    except zmq.ZMQError as error:
        return error.errno != zmq.EHOSTUNREACH
    finally:
        socket.setsockopt(zmq.ROUTER_MANDATORY, 0)  # Locust's own sends to one that has gone are not to fail
    return True
