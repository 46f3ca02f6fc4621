"""Runs the timeline's actions on a thread of its own, so that the conductor does not wait for them."""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from math import inf
from typing import Literal

from loadtests.sanitize import sanitize
from loadtests.scenario import Scenario
from loadtests.servers.errors import ServerUnavailable
from loadtests.timeline.actions.contract import TimelineAction
from loadtests.timeline.component_locks import ComponentLocks, locked_components
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


class ActionRunner:
    """Begun with `begin`, ended with `ask_to_stop`. `wake` is called from the runner's thread when `take_results` or
    `take_messages` have something.

    Each action is a task of its own that starts at its moment, so several may run at once; exclusive actions on the
    same components run one after another.
    """

    def __init__(self, scenario: Scenario, context: ActionContext, wake: Callable[[], None]) -> None:
        self._scenario, self._context, self._wake = scenario, context, wake
        self._results: deque[ActionResult] = deque()
        self._messages: deque[str] = deque()
        self._locks = ComponentLocks()
        self._loop = asyncio.new_event_loop()
        self._stopping = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="timeline", daemon=True)
        self._thread.start()

    def begin(self, started_ns: int) -> None:
        """`started_ns`: when the first stage began (CLOCK_MONOTONIC). The moments of all actions follow from it, so the
        delay with which a stage is reported does not matter."""
        for action in self._scenario.timeline:
            due_s = self._scenario.stage_starts_s(action.stage) + action.after_s
            self._loop.call_soon_threadsafe(self._start, action, started_ns + int(due_s * 1e9))

    def take_results(self) -> list[ActionResult]:
        """The actions that have ended since the last call."""
        return [self._results.popleft() for _ in range(len(self._results))]

    def take_messages(self) -> list[str]:
        """Progress messages since the last call: actions that have begun or are queued."""
        return [self._messages.popleft() for _ in range(len(self._messages))]

    def ask_to_stop(self) -> None:
        """Cancels the actions under way, which revert their effects; the thread then ends."""
        if self.alive:
            self._loop.call_soon_threadsafe(self._stopping.set)

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def _run(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()
        try:
            self._loop.run_until_complete(self._until_stopped())
        finally:
            self._loop.run_until_complete(self._loop.shutdown_default_executor())
            self._loop.close()
            self._wake()

    async def _until_stopped(self) -> None:
        await self._stopping.wait()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _start(self, action: TimelineAction, due_ns: int) -> None:
        if not self._stopping.is_set():
            self._tasks.add(self._loop.create_task(self._run_action(action, due_ns)))

    async def _run_action(self, action: TimelineAction, due_ns: int) -> None:
        await asyncio.sleep(max(due_ns - time.monotonic_ns(), 0) / 1e9)
        components = locked_components(action, self._context.components)
        if busy := self._locks.busy(components):
            verb = "are" if len(busy) > 1 else "is"
            self._report(f"action queued: {action.words}: {', '.join(busy)} {verb} in use by another action")
        due_ns = time.monotonic_ns()
        try:
            async with self._locks.locked(components):
                result = await self._perform(action)
        except asyncio.CancelledError:  # an action that was due has a row in any case
            now_ns = time.monotonic_ns()
            result = ActionResult(action, now_ns, now_ns, "unfinished", error="the run ended before its turn came")
        self._results.append(replace(result, waited_ns=result.started_ns - due_ns if busy else 0))
        self._wake()

    async def _perform(self, action: TimelineAction) -> ActionResult:
        self._report(f"action: {action.words}")
        started_ns = time.monotonic_ns()
        result, found, error = await _outcome(action, self._context)
        return ActionResult(action, started_ns, time.monotonic_ns(), result, found, error)

    def _report(self, message: str) -> None:
        self._messages.append(message)
        self._wake()


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
