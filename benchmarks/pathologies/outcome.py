"""What a judged run of a pathology says, beside what its fault declares. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from loadtests.pod.faults.contract import Fault


@dataclass(frozen=True)
class Outcome:
    """Of one study. `causes`: those of its verdict, the largest first, each as `class of operation`; `detected_s`: when
    the first objective was missed for that cause, in seconds since judged time began; None: not known."""

    name: str
    verdict: str
    expected: str
    causes: Sequence[str] = ()
    detected_s: float | None = None
    study: str = ""

    @property
    def right(self) -> bool:
        """Whether the verdict is `fail` and its first cause the fault's. A healthy pod passes."""
        if not self.expected:
            return self.verdict == "pass"
        return self.verdict == "fail" and [*self.causes][:1] == [self.expected]


def words(operation: str, cause: str) -> str:
    return f"{cause} of {operation}"


def outcome(name: str, fault: Fault | None, verdict: Mapping[str, Any] | None, study: str = "") -> Outcome:
    """`verdict`: the document of the gate, None where there is none; `fault` None: a pod without one."""
    expected = words(fault.operation, fault.cause) if fault is not None else ""
    if verdict is None:
        return Outcome(name, "none", expected, study=study)
    causes = [
        (words(cause["operation"], cause["class"]), cause.get("first_s")) for cause in verdict.get("causes") or ()
    ]
    found = next((first_s for cause, first_s in causes if cause == expected), None)
    return Outcome(name, verdict["overall"], expected, tuple(cause for cause, _ in causes), found, study)
