"""A pool with fewer sessions than the pod's transactions need: each one waits for a session, and the database idles."""

from typing import TYPE_CHECKING, Final

from loadtests.pod.faults.contract import Fault
from loadtests.pod.faults.transactions import sql_storage

if TYPE_CHECKING:
    from loadtests.pod.application import PodApplication

_SESSIONS: Final = 2


def _install(pod: "PodApplication") -> None:
    sql_storage(pod).driver.pool_size = _SESSIONS


FAULT = Fault(
    title=f"the pool has {_SESSIONS} sessions",
    operation="message.send",
    cause="pool_starvation",
    install=_install,
)
