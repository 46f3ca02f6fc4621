"""A disconnect without clean-up: the connection is closed, and its subscriptions stay as orphans."""

from typing import TYPE_CHECKING

from loadtests.pod.faults.contract import Fault
from loadtests.pod.faults.transactions import use_statements

if TYPE_CHECKING:
    from loadtests.pod.application import PodApplication


def _install(pod: "PodApplication") -> None:
    use_statements(pod, "kept_subscriptions")


FAULT = Fault(
    title="a connection that is closed or reaped keeps its subscriptions",
    operation="connection.close",
    cause="orphans",
    install=_install,
)
