"""The timeline's actions in a run: who carries them out, what they may lay hands on, what is written of them."""

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
from loadtests.pod.storage.dual.modes import Mode
from loadtests.scenario import Action
from loadtests.timeline.action_runner import Act, Actor
from loadtests.timeline.context import ActionFailed, Database, Pod, Surroundings, named_databases

START_WITHIN_S = 60.0
START_AGAIN_S = 1.0
"""How long, and how often, a pod that does not come up is started again."""

MEND_WITHIN_S = 60.0
"""How long what was broken may take to be mended at the run's end: a database server starts in that time."""

_HURRIED = 2
"""Whoever asks a second time to stop does not want to wait for that."""

Died = Callable[[str], None]
"""Watches the process of a pod or a database, by its name, for its death."""


class RunHands:
    """Lays hands on a run's parts, on the conductor's thread."""

    def __init__(self, parts: Parts, errands: Errands) -> None:
        self._parts, self._errands = parts, errands
        self.generator: int | None = None
        """The Locust master's process id."""
        self.watch_again: Died = lambda _: None

    @asynccontextmanager
    async def stricken(self, *names: str) -> AsyncIterator[None]:
        await self._errands.ask(lambda: self._parts.stricken.update(names))
        try:
            yield
        finally:
            await self._errands.ask(lambda: self._recovered(names))

    def _recovered(self, names: tuple[str, ...]) -> None:
        self._parts.stricken.subtract(names)
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
    async def guarded(self, group: int) -> AsyncIterator[None]:
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


class Acting:
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
        self.hands = RunHands(parts, self._errands)
        around = Surroundings(_pods(parts), _databases(parts), self.hands, networks or {})
        self._actor = Actor(parts.scenario, around, self._errands.wake)

    def join(self, watch: Watch, generator: int, died: Died) -> None:
        """Lets actions have what they ask for, while the load is followed."""
        self.hands.generator, self.hands.watch_again = generator, died
        watch.on_readable(self._errands.descriptor, self._attend)

    def begin(self, started_ns: int) -> None:
        """The first stage has begun; `started_ns` is since the run's origin."""
        self._actor.begin(started_ns + self._parts.clock.monotonic_ns)

    def ask_to_stop(self) -> None:
        """Nothing new is done to a run that ends; what is under way begins to be mended."""
        self._actor.ask_to_stop()

    def _attend(self) -> None:
        self._errands.run()
        for words in self._actor.said():
            self._progress.say(words)
        for act in self._actor.take():
            self._write(act)

    def _write(self, act: Act) -> None:
        if act.result == "failed":
            self._progress.say(f"action failed: {act.action.words}: {act.error}")
        self._timeline.action(row(act, self._parts.layout, self._parts.clock.monotonic_ns))

    def stop(self, interrupts: Interrupts) -> None:
        """Ends what is under way and mends what it broke; returns when that is done, or has taken too long."""
        self.hands.watch_again = lambda _: None
        self._actor.ask_to_stop()
        deadline = Deadline(MEND_WITHIN_S)
        with watching(interrupts) as watch:
            watch.on_readable(self._errands.descriptor, self._attend)
            while self._actor.alive and not deadline.passed and interrupts.count < _HURRIED:
                watch.wait(min(0.2, deadline.left_s))
        self._attend()
        if self._actor.alive:
            self._progress.say(
                "what the timeline broke was not mended: the run's servers and pods are ended as they are"
            )
        else:
            self._errands.close()


def _pods(parts: Parts) -> dict[str, Pod]:
    return {
        name: Pod(name, pod.control_url, pod.control_token, pod.layout.accounts, pod.layout.databases)
        for name, pod in parts.pods.items()
    }


def _databases(parts: Parts) -> dict[str, Database]:
    dsns = parts.dsns()
    return {
        name: Database(name, storage.engine, dsns[name], parts.servers.get(name))
        for name, storage in parts.layout.databases.items()
    }


def row(act: Act, layout: Layout, origin_ns: int) -> Row:
    """The action as the timeline has it."""
    detail = {
        "do": act.action.do,
        "words": _words(act),
        "stage": act.action.stage,
        "pods": touched_pods(act.action, layout),
        "databases": touched_databases(act.action, layout),
        "found": act.found,
        **({"waited_s": round(act.waited_ns / 1e9, 3)} if act.waited_ns else {}),
        **({"error": act.error} if act.error else {}),
    }
    started_ns, ended_ns = act.started_ns - origin_ns, act.ended_ns - origin_ns
    return Row(started_ns, ended_ns, "action", act.action.subject, act.result, json.dumps(detail))


def _words(act: Act) -> str:
    """What was done; how late, where it had to wait for another action."""
    waited = f", after waiting {act.waited_ns / 1e9:.1f} s for its turn" if act.waited_ns else ""
    return f"{act.action.words}{waited}"


def touched_pods(action: Action, layout: Layout) -> list[str]:
    """The pods that an action was about; none when it was about a server."""
    if getattr(action, "worker", False) or action.do in ("maintain", "resize", "recreate", "run", "http"):
        return []
    named = list(getattr(action, "pods", ()))
    return named if named or action.do in ("kill", "pause") else [pod.name for pod in layout.pods]


def touched_databases(action: Action, layout: Layout) -> list[str]:
    """The databases that an action was about."""
    if action.do not in ("maintain", "resize", "recreate", "hold", "cut", "relock", "kill", "pause"):
        return []
    wanted = getattr(action, "database", None)
    if wanted is None:
        return [] if action.do in ("kill", "pause") else list(layout.databases)
    return named_databases(wanted, layout.pods, layout.databases)
