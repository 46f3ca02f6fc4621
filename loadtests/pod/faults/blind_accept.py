"""Accepts without compare-and-set: two agents who read the same offered chat both get it."""

from typing import TYPE_CHECKING

from loadtests.pod.faults.contract import Fault
from loadtests.pod.faults.transactions import use_statements

if TYPE_CHECKING:
    from loadtests.pod.application import PodApplication


def _install(pod: "PodApplication") -> None:
    use_statements(pod, "blind_accept")


FAULT = Fault(
    title="a chat is accepted by an UPDATE that does not ask whether it is still offered",
    operation="chat.accept",
    cause="double_accept",
    install=_install,
)
