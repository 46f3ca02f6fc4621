"""Carries the timeline's actions out on a thread of its own, so that nobody waits for them."""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from loadtests.sanitize import sanitize
from loadtests.scenario import Action, Kill, Scenario
from loadtests.timeline.acts import carry_out
from loadtests.timeline.component_locks import Turns, subjects
from loadtests.timeline.context import ActionFailed, Surroundings

_LONGEST_ERROR = 500

Result = Literal["ok", "failed", "unfinished"]


@dataclass(frozen=True)
class Act:
    """An action as it went; times are CLOCK_MONOTONIC in ns. `started_ns`: when it began to act, its turn having come;
    of one whose turn never came, its end."""

    action: Action
    started_ns: int
    ended_ns: int
    result: Result
    found: dict[str, Any] = field(default_factory=dict)
    error: str = ""
    waited_ns: int = 0
    """For its turn, before `started_ns`."""


class Actor:
    """Begun with `begin`, ended with `ask_to_stop`; `wake` is called from the actor's thread when `take` has something.

    Each action waits for its moment and then runs by itself, so several may go on at once; those that lay hands on
    the same processes wait for each other.
    """

    def __init__(self, scenario: Scenario, around: Surroundings, wake: Callable[[], None]) -> None:
        self._scenario, self._around, self._wake = scenario, around, wake
        self._done: deque[Act] = deque()
        self._said: deque[str] = deque()
        self._turns = Turns()
        self._loop = asyncio.new_event_loop()
        self._stopping = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="timeline", daemon=True)
        self._thread.start()

    def begin(self, started_ns: int) -> None:
        """`started_ns`: when the first stage began (CLOCK_MONOTONIC). Every action's moment follows from it, so that it
        does not matter when anybody hears of its stage."""
        for action in self._scenario.timeline:
            due_s = self._scenario.stage_starts_s(action.stage) + action.after_s
            self._loop.call_soon_threadsafe(self._start, action, started_ns + int(due_s * 1e9))

    def take(self) -> list[Act]:
        """The actions that have ended since the last call, and not yet been taken."""
        return [self._done.popleft() for _ in range(len(self._done))]

    def said(self) -> list[str]:
        """For people: what has begun, or has to wait, since the last call."""
        return [self._said.popleft() for _ in range(len(self._said))]

    def ask_to_stop(self) -> None:
        """Cancels what is under way, which mends what it broke; the thread then ends."""
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

    def _start(self, action: Action, due_ns: int) -> None:
        if not self._stopping.is_set():
            task = self._loop.create_task(self._act(action, due_ns))
            self._tasks.add(task)

    async def _act(self, action: Action, due_ns: int) -> None:
        await asyncio.sleep(max(due_ns - time.monotonic_ns(), 0) / 1e9)
        wanted = subjects(action, self._around.pods.values(), self._around.databases)
        if busy := self._turns.busy(wanted):
            self._say(f"action waits: {action.words}: another one has its hands on {', '.join(busy)}")
        asked_ns = time.monotonic_ns()
        try:
            async with self._turns.taken(wanted):
                act = await self._carried_out(action)
        except asyncio.CancelledError:  # one that has begun is told of in any case
            now_ns = time.monotonic_ns()
            act = Act(action, now_ns, now_ns, "unfinished", error="the run ended before its turn came")
        self._done.append(replace(act, waited_ns=act.started_ns - asked_ns if busy else 0))
        self._wake()

    async def _carried_out(self, action: Action) -> Act:
        self._say(f"action: {action.words}")
        started_ns = time.monotonic_ns()
        result, found, error = await _outcome(action, self._around)
        return Act(action, started_ns, time.monotonic_ns(), result, found, error)

    def _say(self, words: str) -> None:
        self._said.append(words)
        self._wake()


async def _outcome(action: Action, around: Surroundings) -> tuple[Result, dict[str, Any], str]:
    """Also of one that is cancelled: what is to last until the run's end has then done what it should."""
    try:
        return "ok", await carry_out(action, around), ""
    except ActionFailed as error:
        return "failed", {}, str(error)
    except asyncio.CancelledError:
        lasting = isinstance(action, Kill) and action.for_s is None
        return "ok" if lasting else "unfinished", {}, "" if lasting else "the run ended before it"
    except Exception as error:  # a fault of ours fails one action, not the run
        return "failed", {}, sanitize(f"{type(error).__name__}: {error}", _LONGEST_ERROR)
