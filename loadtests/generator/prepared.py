"""What a master is given to run, where it comes from, and why it cannot be run."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from loadtests.generator.livelines import LiveLines
from loadtests.scenario import RunPlan


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


class RunSource(Protocol):
    """Where a master gets its runs: the conductor that started it, or one that it starts itself."""

    @property
    def cancelled(self) -> bool:
        """Whether the run that is being prepared is no longer wanted."""

    def prepare(self) -> Prepared:
        """Raises CannotRunError."""

    def abandon(self, problem: CannotRunError) -> None:
        """Releases what was prepared for a run that could not begin; waits for that."""
