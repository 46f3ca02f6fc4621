"""Actions that call the control endpoint of pods: migrate, relock, sweep."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

from pydantic import Field

from loadtests.accounts import Mode
from loadtests.storagenames import Locking
from loadtests.timeline.actions.contract import DatabaseName, Need, PodNames, TimelineAction, all_or
from loadtests.timeline.context import ActionContext, ActionFailed, Found, PodHandle
from loadtests.timeline.control import control

_SIDES = {"legacy": "the legacy storage", "dual": "both storages", "upgraded": "the upgraded storage"}


class Migrate(TimelineAction):
    """Moves accounts between the two sides of a dual storage."""

    default_subject: ClassVar[str] = "all pods"
    need: ClassVar[Need] = Need("dual", "a dual storage to migrate, with two sides as dual(sqlite,postgres) has")

    do: Literal["migrate"]
    to: Mode
    share: int = Field(default=100, ge=0, le=100, description="Per cent of the accounts that are there afterwards.")
    pods: PodNames

    @property
    def words(self) -> str:
        return f"{self.share} % of {all_or(self.pods)} to {_SIDES[self.to]}"

    async def perform(self, context: ActionContext) -> Found:
        """Moves every pod's accounts, also when the move of another pod fails."""
        moves = [self._move(pod, context) for pod in context.chosen_pods(self.pods)]
        answers = await asyncio.gather(*moves, return_exceptions=True)
        failures = [answer for answer in answers if isinstance(answer, BaseException)]
        if unexpected := next((f for f in failures if not isinstance(f, ActionFailed)), None):
            raise unexpected
        if failures:
            raise ActionFailed("; ".join(map(str, failures)))
        return added([answer for answer in answers if not isinstance(answer, BaseException)])

    async def _move(self, pod: PodHandle, context: ActionContext) -> dict[str, Any]:
        try:
            answer = await control(pod, "/storage", {"to": self.to, "share": self.share})
        except BaseException:
            await context.control.in_doubt(pod.name)
            raise
        await context.control.moved(pod.name, self.to, self.share)
        return answer


class SwitchLocking(TimelineAction):
    """Switches how an SQL storage locks, while it works."""

    need: ClassVar[Need] = Need("session", "a storage with a locking to switch", every=False)

    do: Literal["relock"]
    locking: Locking
    pods: PodNames
    database: DatabaseName

    @property
    def words(self) -> str:
        return f"locking of {self.subject} becomes {self.locking}"

    async def perform(self, context: ActionContext) -> Found:
        body: dict[str, Any] = {"locking": self.locking}
        if self.database is not None:
            body["database"] = self.database
        # One after another: each alters the same tables, and one that finds them altered has nothing left to do.
        return added([await control(pod, "/locking", body) for pod in context.chosen_pods(self.pods)])


class Sweep(TimelineAction):
    """Removes orphaned subscriptions, as the pod's operator would."""

    default_subject: ClassVar[str] = "all pods"

    do: Literal["sweep"]
    pods: PodNames

    @property
    def words(self) -> str:
        return f"orphans of {all_or(self.pods)} swept"

    async def perform(self, context: ActionContext) -> Found:
        calls = (control(pod, "/sweep", {}) for pod in context.chosen_pods(self.pods))
        return added(list(await asyncio.gather(*calls)))


def added(answers: Sequence[Mapping[str, Any]]) -> Found:
    """The answers of several pods as one: sums of numbers, also in nested answers, and the first of other values."""
    total: Found = {}
    for answer in answers:
        for name, value in answer.items():
            if isinstance(value, Mapping):
                total[name] = added([total.get(name, {}), value])
            elif isinstance(value, int | float) and not isinstance(value, bool) and name != "share":
                total[name] = total.get(name, 0) + value
            else:
                total.setdefault(name, value)
    return total
