"""The timeline's actions in a run: the operations that the conductor offers them, and their rows."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import cast

import psutil

from loadtests.conductor.failures import RunEnded
from loadtests.conductor.layout import Layout
from loadtests.conductor.processes import READY_WITHIN_S, Starting
from loadtests.conductor.progress import Progress
from loadtests.conductor.run.components import Parts
from loadtests.conductor.run.errands import Errands
from loadtests.conductor.run.pods import OwnPod
from loadtests.conductor.run.timeline_table import Row, Timeline
from loadtests.conductor.watching import Deadline, Interrupts, Watch, watching
from loadtests.migration import Mode
from loadtests.timeline.action_runner import ActionResult, ActionRunner
from loadtests.timeline.context import ActionContext, ActionFailed, DatabaseHandle, PodHandle

START_WITHIN_S = 60.0
START_AGAIN_S = 1.0
"""How long, and how often, a pod that does not come up is started again."""

REVERT_WITHIN_S = 60.0
"""How long actions may take to revert their effects at the end of the run: a database server starts in that time."""

_HURRIED = 2
"""So many interrupts end the wait for it."""

WatchComponent = Callable[[str], None]
"""Watches the process of a pod or a database, by name, for its exit."""


class ConductorControl:
    """Carries out what actions ask of the conductor, on the conductor's thread."""

    def __init__(self, parts: Parts, errands: Errands) -> None:
        self._parts, self._errands = parts, errands
        self.generator: int | None = None
        """The Locust master's process id."""
        self.watch_again: WatchComponent = lambda _: None

    @asynccontextmanager
    async def expected_down(self, *names: str) -> AsyncIterator[None]:
        await self._errands.ask(lambda: self._parts.expected_down.update(names))
        try:
            yield
        finally:
            await self._errands.ask(lambda: self._recovered(names))

    def _recovered(self, names: tuple[str, ...]) -> None:
        self._parts.expected_down.subtract(names)
        for name in names:
            server = self._parts.servers.get(name)
            if server is not None and server.running:
                self._parts.watch("database", name, server.pid)
            elif (pod := self._parts.pods.get(name)) and pod.child:
                self._parts.watch("pod", name, pod.child.pid)
            self.watch_again(name)

    async def kill_pod(self, name: str) -> None:
        child = self._parts.pods[name].child
        assert child is not None
        await self._errands.ask(child.kill)

    async def start_pod(self, name: str) -> None:
        """As a supervisor does: again and again, for a pod may not come up while its database is in trouble. Not to be
        cancelled."""
        deadline = Deadline(START_WITHIN_S)
        while True:
            try:
                return await self._start(self._parts.pods[name])
            except RunEnded as ended:
                if deadline.passed:
                    raise ActionFailed(ended.reason.detail) from None
            await asyncio.sleep(START_AGAIN_S)

    async def _start(self, pod: OwnPod) -> None:
        """The run is followed while the pod gets ready: that is waited for here. Raises RunEnded."""
        starting = await self._errands.ask(pod.launch)
        with suppress(TimeoutError):  # which `settle` tells
            async with asyncio.timeout(READY_WITHIN_S):
                await _heard(starting)
        await self._errands.ask(lambda: pod.serves(starting.settle()))

    async def signal_pod(self, name: str, number: int) -> None:
        child = self._parts.pods[name].child
        assert child is not None
        await self._errands.ask(lambda: child.send(signal.Signals(number)))

    async def last_worker(self) -> int:
        with suppress(psutil.Error, ValueError):
            children = [child.pid for child in psutil.Process(self.generator).children()]
            # Of a master that was started by hand we are a child, too.
            return max(pid for pid in children if pid != os.getpid())
        raise ActionFailed("the load has no worker on this host")

    async def moved(self, pod: str, to: str, share: int) -> None:
        await self._errands.ask(lambda: self._parts.pods[pod].moved(cast(Mode, to), share))

    async def in_doubt(self, pod: str) -> None:
        await self._errands.ask(self._parts.pods[pod].lose_track)

    @asynccontextmanager
    async def ends_with_run(self, group: int) -> AsyncIterator[None]:
        await self._errands.ask(lambda: self._parts.guardian.watch_group(group))
        try:
            yield
        finally:
            await self._errands.ask(lambda: self._parts.guardian.forget(group))

    async def cut(self, pod: str, database: str, how: str) -> None:
        proxy = self._parts.proxies.get((pod, database))
        if proxy is None:
            raise ActionFailed(f"there is no network between {pod} and {database} to cut")
        try:
            await self._errands.ask(lambda: proxy.order(how))
        except RunEnded as ended:
            raise ActionFailed(ended.reason.detail) from None


async def _heard(starting: Starting) -> None:
    loop, came = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(starting.descriptor, came.set)
    try:
        while not starting.heard():
            came.clear()
            await came.wait()
    finally:
        loop.remove_reader(starting.descriptor)


class RunActions:
    """The timeline of one run, from its beginning to its end. A run without actions has none."""

    def __init__(
        self,
        parts: Parts,
        timeline: Timeline,
        progress: Progress,
        networks: Mapping[str, tuple[str, ...]] | None = None,
    ) -> None:
        """`networks`: where hosts that actions call may be, see `Choices.networks`."""
        self._parts, self._timeline, self._progress = parts, timeline, progress
        self._errands = Errands()
        self.control = ConductorControl(parts, self._errands)
        context = ActionContext(_pods(parts), _databases(parts), self.control, networks or {})
        self._runner = ActionRunner(parts.scenario, context, self._errands.wake)

    def join(self, watch: Watch, generator: int, watch_component: WatchComponent) -> None:
        """Handles requests and results of actions while the load is monitored."""
        self.control.generator, self.control.watch_again = generator, watch_component
        watch.on_readable(self._errands.descriptor, self._attend)

    def begin(self, started_ns: int) -> None:
        """The first stage has begun; `started_ns` is since the run's origin."""
        self._runner.begin(started_ns + self._parts.clock.monotonic_ns)

    def ask_to_stop(self) -> None:
        """Starts no further action; those under way begin to revert their effects."""
        self._runner.ask_to_stop()

    def _attend(self) -> None:
        self._errands.run()
        for message in self._runner.take_messages():
            self._progress.say(message)
        for result in self._runner.take_results():
            self._write(result)

    def _write(self, result: ActionResult) -> None:
        if result.result == "failed":
            self._progress.say(f"action failed: {result.action.words}: {result.error}")
        self._timeline.action(row(result, self._parts.layout, self._parts.clock.monotonic_ns))

    def stop(self, interrupts: Interrupts) -> None:
        """Cancels the actions under way; returns when they have reverted their effects, or have taken too long."""
        self.control.watch_again = lambda _: None
        self._runner.ask_to_stop()
        deadline = Deadline(REVERT_WITHIN_S)
        with watching(interrupts) as watch:
            watch.on_readable(self._errands.descriptor, self._attend)
            while self._runner.alive and not deadline.passed and interrupts.count < _HURRIED:
                watch.wait(min(0.2, deadline.left_s))
        self._attend()
        if self._runner.alive:
            self._progress.say(
                "timeline actions could not be reverted: the run's servers and pods are stopped as they are"
            )
        else:
            self._errands.close()


def _pods(parts: Parts) -> dict[str, PodHandle]:
    return {
        name: PodHandle(name, pod.control_url, pod.control_token, pod.layout.accounts, pod.layout.databases)
        for name, pod in parts.pods.items()
    }


def _databases(parts: Parts) -> dict[str, DatabaseHandle]:
    dsns = parts.dsns()
    return {
        name: DatabaseHandle(name, storage.engine, dsns[name], parts.servers.get(name))
        for name, storage in parts.layout.databases.items()
    }


def row(result: ActionResult, layout: Layout, origin_ns: int) -> Row:
    """The action as the timeline has it."""
    action, touched = result.action, result.action.touched(layout.components)
    waited = f", after waiting {result.waited_ns / 1e9:.1f} s for its turn" if result.waited_ns else ""
    detail = {
        "do": action.do,
        "words": f"{action.words}{waited}",
        "stage": action.stage,
        "pods": touched.pods,
        "databases": touched.databases,
        "found": result.found,
        **({"waited_s": round(result.waited_ns / 1e9, 3)} if result.waited_ns else {}),
        **({"error": result.error} if result.error else {}),
    }
    started_ns, ended_ns = result.started_ns - origin_ns, result.ended_ns - origin_ns
    return Row(started_ns, ended_ns, "action", action.subject, result.result, json.dumps(detail))
