"""What a master is given to run, and why it may not."""

from collections.abc import Callable
from dataclasses import dataclass

from loadtests.scenario import RunPlan
from loadtests.users.livelines import LiveLines


class CannotRunError(Exception):
    """A run that cannot begin; `code` is the process's exit code."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass
class Prepared:
    """A run that waits for its load. `finish` is called when every row is kept, and returns an exit code."""

    plan: RunPlan
    secret: str
    lines: LiveLines | None
    finish: Callable[[], int]
