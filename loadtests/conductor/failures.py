"""Why nothing could be run, or why a run ended, with the exit code that each deserves."""

from dataclasses import dataclass

from loadtests.commandline import EX_FAIL, EX_INTERRUPTED, EX_OK, EX_SOFTWARE, EX_UNAVAILABLE, EX_USAGE
from loadtests.credentials import without_credentials
from loadtests.sanitize import sanitize_lines

_DETAIL = (1000, 20)
"""How many characters and lines of a reason are kept."""


class CannotRun(Exception):
    """Found before the load starts. The message names the place, what was expected and what to do."""

    exit_code = EX_SOFTWARE

    def __init__(self, message: str) -> None:
        super().__init__(sanitize_lines(without_credentials(message)))


class BadInput(CannotRun):
    exit_code = EX_USAGE


class Unavailable(CannotRun):
    exit_code = EX_UNAVAILABLE


@dataclass(frozen=True)
class Reason:
    """Why a run ended (`reason` of end.json) and one sentence about it; empty when it was completed.

    `log_tail` is the last lines of a process that died: shown, not recorded.
    """

    code: str
    detail: str = ""
    log_tail: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "detail", sanitize_lines(self.detail, *_DETAIL))
        object.__setattr__(self, "log_tail", sanitize_lines(self.log_tail, *_DETAIL))

    def __str__(self) -> str:
        return "\n".join(filter(None, [f"{self.code}: {self.detail}", self.log_tail]))


class RunEnded(Exception):
    """The run cannot go on."""

    def __init__(self, code: str, detail: str = "", log_tail: str = "") -> None:
        super().__init__(detail or code)
        self.reason = Reason(code, detail, log_tail)


COMPLETED = Reason("completed")

EXIT_CODES = {
    "completed": EX_OK,
    "interrupted": EX_INTERRUPTED,
    "target_unavailable": EX_UNAVAILABLE,
    "pod_died": EX_UNAVAILABLE,
    "database_died": EX_UNAVAILABLE,
    "workers_unavailable": EX_UNAVAILABLE,
    "disk_full": EX_UNAVAILABLE,
    "worker_lost": EX_SOFTWARE,
    "worker_left": EX_SOFTWARE,
    "incomplete": EX_SOFTWARE,
    "observer_died": EX_SOFTWARE,
    "objective_failed": EX_FAIL,
    "internal": EX_SOFTWARE,
}

STOPS_THE_STUDY = frozenset({"interrupted", "objective_failed", "workers_unavailable", "disk_full", "internal"})
"""After these the runs to come cannot be better. A pod, a database or a worker that died says something about its own
run only: the next one starts afresh."""
