"""Runs the timeline's actions as tasks, each at its moment."""

import asyncio
import time
from collections import defaultdict
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from math import inf
from typing import Literal, Protocol

from loadtests.sanitize import sanitize
from loadtests.scenario import Scenario
from loadtests.servers.contract import ServerUnavailable
from loadtests.timeline.actions.contract import TimelineAction
from loadtests.timeline.context import ActionContext, ActionFailed, Found

_LONGEST_ERROR = 500

Result = Literal["ok", "failed", "unfinished"]


@dataclass(frozen=True)
class ActionResult:
    """How an action went; times are CLOCK_MONOTONIC in ns. `started_ns` excludes the wait for locked components; for an
    action that did not get them it is the end."""

    action: TimelineAction
    started_ns: int
    ended_ns: int
    result: Result
    found: Found = field(default_factory=dict)
    error: str = ""
    waited_ns: int = 0
    """How long it waited for locked components, before `started_ns`."""


class RunnerEvents(Protocol):
    """Receives what happens to actions."""

    def report(self, message: str) -> None:
        """A progress message: an action has begun or is queued."""

    def ended(self, result: ActionResult) -> None: ...

    def failed(self, error: BaseException) -> None:
        """One of these methods raised an error."""


class ActionRunner:
    """Begun with `begin`, ended with `ask_to_stop`; its tasks run in `loop`.

    Each action is a task of its own that starts at its moment, so several may run at once; exclusive actions on the
    same components run one after another.
    """

    def __init__(
        self, scenario: Scenario, context: ActionContext, loop: asyncio.AbstractEventLoop, events: RunnerEvents
    ) -> None:
        self._scenario, self._context, self._loop, self._events = scenario, context, loop, events
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        """By component; first come, first served."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopping = False

    def begin(self, started_ns: int) -> None:
        """`started_ns`: when the first stage began (CLOCK_MONOTONIC). The moments of all actions follow from it, so the
        delay with which a stage is reported does not matter."""
        for action in () if self._stopping else self._scenario.timeline:
            due_s = self._scenario.stage_starts_s(action.stage) + action.after_s
            task = self._loop.create_task(self._run(action, started_ns + int(due_s * 1e9)))
            self._tasks.add(task)
            task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._events.failed(error)

    def ask_to_stop(self) -> None:
        """Cancels the actions under way, which revert their effects, and those to come."""
        if not self._stopping:
            self._stopping = True
            for task in list(self._tasks):
                task.cancel()

    @property
    def alive(self) -> bool:
        """Whether an action is under way or to come."""
        return bool(self._tasks)

    async def _run(self, action: TimelineAction, due_ns: int) -> None:
        await asyncio.sleep(max(due_ns - time.monotonic_ns(), 0) / 1e9)
        components = action.locked(self._context.components)
        if busy := [component for component in components if self._locks[component].locked()]:
            verb = "are" if len(busy) > 1 else "is"
            self._events.report(f"action queued: {action.words}: {', '.join(busy)} {verb} in use by another action")
        queued_ns = time.monotonic_ns()
        try:
            async with AsyncExitStack() as locked:
                for component in components:
                    await locked.enter_async_context(self._locks[component])
                result = await self._perform(action)
        except asyncio.CancelledError:  # an action that was due has a row in any case
            now_ns = time.monotonic_ns()
            result = ActionResult(action, now_ns, now_ns, "unfinished", error="the run ended while it was queued")
        self._events.ended(replace(result, waited_ns=result.started_ns - queued_ns if busy else 0))

    async def _perform(self, action: TimelineAction) -> ActionResult:
        self._events.report(f"action: {action.words}")
        started_ns = time.monotonic_ns()
        result, found, error = await _outcome(action, self._context)
        return ActionResult(action, started_ns, time.monotonic_ns(), result, found, error)


async def _outcome(action: TimelineAction, context: ActionContext) -> tuple[Result, Found, str]:
    """Also of a cancelled action: one that lasts to the end of the run has then done what it should."""
    try:
        return "ok", await _performed(action, context), ""
    except ActionFailed as error:
        return "failed", {}, str(error)
    except ServerUnavailable as error:
        return "failed", {}, str(error).splitlines()[0].rstrip(":")  # without the server's log
    except TimeoutError:
        return "failed", {}, "it was not done in time and was cut off"
    except asyncio.CancelledError:
        lasting = action.planned_s == inf
        return "ok" if lasting else "unfinished", {}, "" if lasting else "the run ended before it"
    except Exception as error:  # a fault of ours fails one action, not the run
        return "failed", {}, sanitize(f"{type(error).__name__}: {error}", _LONGEST_ERROR)


async def _performed(action: TimelineAction, context: ActionContext) -> Found:
    touched = action.touched(context.components)
    async with AsyncExitStack() as stack:
        if action.may_exit and (touched.pods or touched.databases):
            await stack.enter_async_context(context.control.expected_down(*touched.pods, *touched.databases))
        return await action.perform(context)
