"""The timeline's actions in a run: the operations that the conductor offers them, and their rows."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import cast

import psutil

from loadtests.accounts import Mode
from loadtests.conductor.failures import RunEnded
from loadtests.conductor.layout import Layout
from loadtests.conductor.processes import READY_WITHIN_S, Child, Starting
from loadtests.conductor.progress import Progress
from loadtests.conductor.run.components import RunComponents
from loadtests.conductor.run.pods import OwnPod
from loadtests.conductor.run.timeline_table import Row, TimelineTable
from loadtests.conductor.watching import Deadline, Interrupts, ProcessWatch, watching
from loadtests.timeline.action_runner import ActionResult, ActionRunner
from loadtests.timeline.context import ActionContext, ActionFailed, DatabaseHandle, PodHandle

START_WITHIN_S = 60.0
START_AGAIN_S = 1.0
"""How long, and how often, a pod that does not come up is started again."""

REVERT_WITHIN_S = 60.0
"""How long actions may take to revert their effects at the end of the run: a database server starts in that time."""

_INTERRUPTS_ENDING_REVERT = 2
"""So many interrupts end the wait for it."""

WatchComponent = Callable[[str], None]
"""Watches the process of a pod or a database, by name, for its exit."""


class ConductorControl:
    """Carries out what actions ask of the conductor."""

    def __init__(self, components: RunComponents) -> None:
        self._components = components
        self._closed = False
        self.generator: int | None = None
        """The Locust master's process ID."""
        self.watch_again: WatchComponent = lambda _: None

    def close(self) -> None:
        """Refuses further requests: the run's components are being stopped."""
        self._closed = True

    def _running(self) -> RunComponents:
        """The run's components. Raises ActionFailed when they are being stopped."""
        if self._closed:
            raise ActionFailed("the run has ended")
        return self._components

    @asynccontextmanager
    async def expected_down(self, *names: str) -> AsyncIterator[None]:
        self._components.expected_down.update(names)
        try:
            yield
        finally:
            self._recovered(names)

    def _recovered(self, names: tuple[str, ...]) -> None:
        self._components.expected_down.subtract(names)
        for name in () if self._closed else names:
            server = self._components.servers.get(name)
            if server is not None and server.running:
                self._components.watch("database", name, server.pid)
            elif (pod := self._components.pods.get(name)) and pod.child:
                self._components.watch("pod", name, pod.child.pid)
            self.watch_again(name)

    async def kill_pod(self, name: str) -> None:
        self._child(name).kill()

    def _child(self, name: str) -> Child:
        child = self._running().pods[name].child
        assert child is not None
        return child

    async def start_pod(self, name: str) -> None:
        """Tries repeatedly, as a supervisor does: a pod may not start while its database is in trouble. Must not be
        cancelled."""
        deadline = Deadline(START_WITHIN_S)
        while True:
            try:
                return await self._start(self._running().pods[name])
            except RunEnded as ended:
                if deadline.passed:
                    raise ActionFailed(ended.reason.detail) from None
            await asyncio.sleep(START_AGAIN_S)

    async def _start(self, pod: OwnPod) -> None:
        """Waits in the loop until the pod is ready, so that the run is monitored meanwhile. Raises RunEnded."""
        starting = pod.launch()
        with suppress(TimeoutError):  # which `result` reports
            async with asyncio.timeout(READY_WITHIN_S):
                await _settled(starting)
        pod.serves(starting.result())

    async def signal_pod(self, name: str, number: int) -> None:
        self._child(name).send(signal.Signals(number))

    async def last_worker(self) -> int:
        with suppress(psutil.Error, ValueError):
            children = [child.pid for child in psutil.Process(self.generator).children()]
            # The conductor is a child, too, of a master that was started by hand.
            return max(pid for pid in children if pid != os.getpid())
        raise ActionFailed("the load has no worker on this host")

    async def moved(self, pod: str, to: str, share: int) -> None:
        self._components.pods[pod].moved(cast(Mode, to), share)

    async def in_doubt(self, pod: str) -> None:
        self._components.pods[pod].in_doubt = True

    @asynccontextmanager
    async def ends_with_run(self, group: int) -> AsyncIterator[None]:
        self._components.reaper.watch_group(group)
        try:
            yield
        finally:
            self._components.reaper.forget(group)

    async def cut(self, pod: str, database: str, how: str) -> None:
        proxy = self._running().proxies.get((pod, database))
        if proxy is None:
            raise ActionFailed(f"there is no network between {pod} and {database} to cut")
        try:
            proxy.order(how)
        except RunEnded as ended:
            raise ActionFailed(ended.reason.detail) from None


async def _settled(starting: Starting) -> None:
    loop, readable = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(starting.descriptor, readable.set)
    try:
        while not starting.has_result():
            readable.clear()
            await readable.wait()
    finally:
        loop.remove_reader(starting.descriptor)


class RunActions:
    """The timeline of one run, from its beginning to its end. A run without actions has none."""

    def __init__(self, components: RunComponents, timeline: TimelineTable, progress: Progress) -> None:
        self._components, self._timeline, self._progress = components, timeline, progress
        self._watch: ProcessWatch | None = None
        self.control = ConductorControl(components)
        context = ActionContext(_pods(components), _databases(components), self.control, components.networks)
        self._runner = ActionRunner(components.scenario, context, components.interrupts.loop, self)

    def join(self, watch: ProcessWatch, generator: int, watch_component: WatchComponent) -> None:
        """The load is monitored with `watch`."""
        self._watch = watch
        self.control.generator, self.control.watch_again = generator, watch_component

    def begin(self, started_ns: int) -> None:
        """The first stage has begun; `started_ns` is since the run's origin."""
        self._runner.begin(started_ns + self._components.clock.monotonic_ns)

    def ask_to_stop(self) -> None:
        """Starts no further action; those under way begin to revert their effects."""
        self._runner.ask_to_stop()

    def report(self, message: str) -> None:
        self._progress.report(message)

    def ended(self, result: ActionResult) -> None:
        if result.result == "failed":
            self._progress.report(f"action failed: {result.action.words}: {result.error}")
        self._timeline.action(row(result, self._components.layout, self._components.clock.monotonic_ns))
        if self._watch is not None:
            self._watch.wake()

    def failed(self, error: BaseException) -> None:
        if self._watch is not None:
            self._watch.fail(error)

    def stop(self, interrupts: Interrupts) -> None:
        """Cancels the actions under way; returns when they have reverted their effects, or have taken too long."""
        self.control.watch_again = lambda _: None
        self._runner.ask_to_stop()
        deadline = Deadline(REVERT_WITHIN_S)
        with watching(interrupts) as self._watch:
            while self._runner.alive and not deadline.passed and interrupts.count < _INTERRUPTS_ENDING_REVERT:
                self._watch.wait(min(0.2, deadline.left_s))
        self.control.close()
        if self._runner.alive:
            self._progress.report(
                "timeline actions could not be reverted: the run's servers and pods are stopped as they are"
            )


def _pods(components: RunComponents) -> dict[str, PodHandle]:
    return {
        name: PodHandle(name, pod.control_url, pod.control_token, pod.layout.accounts, pod.layout.databases)
        for name, pod in components.pods.items()
    }


def _databases(components: RunComponents) -> dict[str, DatabaseHandle]:
    dsns = components.dsns()
    return {
        name: DatabaseHandle(name, storage.engine, dsns[name], components.servers.get(name))
        for name, storage in components.layout.databases.items()
    }


def row(result: ActionResult, layout: Layout, origin_ns: int) -> Row:
    """The action as the timeline has it."""
    action, touched = result.action, result.action.touched(layout.components)
    waited = f", after {result.waited_ns / 1e9:.1f} s in the queue" if result.waited_ns else ""
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
