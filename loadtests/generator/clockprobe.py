# mypy: disable-error-code="no-untyped-call"
"""How far a worker's clock is off the master's, and whether both are on one host."""

import time
from itertools import count
from typing import Any

import gevent
from gevent.event import AsyncResult
from locust.runners import WorkerRunner

from loadtests.generator import runmessages
from loadtests.hostidentity import host_identity
from loadtests.scenario import RunPlan

WORST_ERROR_NS = 500_000_000
"""Beyond it nothing that a worker measured can be put beside what the observer saw."""

_PINGS = 20
_WITHIN_S = 5.0


class ClockProbe:
    """Measures by pings over Locust's connection."""

    def __init__(self, runner: WorkerRunner) -> None:
        self._runner = runner
        self._pong: AsyncResult = AsyncResult()

    def on_pong(self, environment: Any, msg: Any) -> None:  # noqa: ARG002  Locust's signature
        self._pong.set((time.monotonic_ns(), msg.data))

    def compare(self, asked: dict[str, Any]) -> tuple[bool, runmessages.ClockOffset]:
        """Whether the master is on this host, and how far its clock is off. Raises TimeoutError when it is unknown.

        The identity alone does not show it: virtual machines that were restored from one snapshot have the same.
        """
        same_identity = asked["host"] == host_identity()
        if (
            same_identity
            and runmessages.directory_identity(RunPlan.from_json(asked["plan"]).directory) == asked["directory"]
        ):
            return True, runmessages.ClockOffset()
        offset = self._measure()
        if offset.error_ns > WORST_ERROR_NS:
            raise TimeoutError(
                f"the network to the master is too slow: its clock is known to ± {offset.error_ns / 1e9:.2f} s,"
                f" and ± {WORST_ERROR_NS / 1e9:g} s are needed"
            )
        if same_identity and offset.shared:
            return True, runmessages.ClockOffset()
        return False, offset

    def _measure(self) -> runmessages.ClockOffset:
        """The best of twenty pings, or of those that fit into some seconds."""
        best: runmessages.ClockOffset | None = None
        until = time.monotonic() + _WITHIN_S
        for number in count(1):
            measured = self._ping()
            best = measured if best is None or measured.error_ns < best.error_ns else best
            if number == _PINGS or time.monotonic() > until:
                return best
        raise AssertionError

    def _ping(self) -> runmessages.ClockOffset:
        self._pong, sent_ns = AsyncResult(), time.monotonic_ns()
        self._runner.send_message(runmessages.PING, {"sent_ns": sent_ns})
        try:
            received_ns, pong = self._pong.get(timeout=_WITHIN_S)
        except gevent.Timeout:  # no Exception
            raise TimeoutError(f"the master did not answer a ping within {_WITHIN_S:g} s") from None
        return runmessages.ClockOffset.of_ping(sent_ns, int(pong["master_ns"]), received_ns)
