"""Handshakes that are refused now and then, as by a proxy of which one backend is gone."""

from http import HTTPStatus
from itertools import count
from typing import TYPE_CHECKING, Final

from websockets.asyncio.server import ServerConnection
from websockets.http11 import Request, Response

from loadtests.pod.faults.contract import Fault

if TYPE_CHECKING:
    from loadtests.pod.application import PodApplication

_EVERY: Final = 50
"""One of so many handshakes: 2 %."""


def _install(pod: "PodApplication") -> None:
    numbers = count(1)

    def refuse(connection: ServerConnection, _request: Request) -> Response | None:
        if next(numbers) % _EVERY == 0:
            return connection.respond(HTTPStatus.SERVICE_UNAVAILABLE, "no backend\n")
        return None

    pod.server.process_request = refuse


FAULT = Fault(
    title=f"one of {_EVERY} handshakes is refused with 503",
    operation="connection.create",
    cause="connection_refused",
    install=_install,
)
