"""All WebSockets cut off at the same moment, as by a proxy that is restarted: all clients come back at once."""

import asyncio
from typing import TYPE_CHECKING, Final

from loadtests.pod.faults.contract import Fault

if TYPE_CHECKING:
    from loadtests.pod.application import PodApplication

_EVERY_S: Final = 7.0


def _install(pod: "PodApplication") -> None:
    async def cut_off() -> None:
        while True:
            await asyncio.sleep(_EVERY_S)
            pod.server.abort_all()

    pod.jobs.append(cut_off)


FAULT = Fault(
    title=f"all WebSockets are cut off every {_EVERY_S:g} s",
    operation="connection.create",
    cause="reconnect_herd",
    install=_install,
)
