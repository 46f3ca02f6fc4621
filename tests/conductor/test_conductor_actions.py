"""A real pod that the timeline starts again, while the conductor goes on."""

import asyncio
import signal
import time
from types import SimpleNamespace

import pytest

from loadtests.conductor.layout import PodLayout
from loadtests.conductor.reaper import ProcessReaper
from loadtests.conductor.run.actions import ConductorControl
from loadtests.conductor.run.pods import OwnPod, PodCommand
from loadtests.conductor.watching import Interrupts, watching
from loadtests.protocols import DEFAULT_PROTOCOL
from loadtests.timeline.context import ActionFailed


class Conductor:
    """A pod, and the main thread's loop, in which an action runs while the conductor waits."""

    def __init__(self, pod, interrupts):
        self.pod, self._interrupts = pod, interrupts
        self.control = ConductorControl(SimpleNamespace(pods={pod.name: pod}))

    def during(self, running):
        """What the action came to."""
        with watching(self._interrupts) as watch:
            task = self._interrupts.loop.create_task(running)
            task.add_done_callback(lambda _: watch.wake())
            end = time.monotonic() + 30
            while not task.done():
                assert time.monotonic() < end
                watch.wait(0.2)
        return task.exception() or task.result()


@pytest.fixture
def conducting(tmp_path):
    """Makes a conductor with a pod on a storage."""
    conductors = []
    with ProcessReaper() as reaper, Interrupts() as interrupts:

        def conduct(storage):
            command = PodCommand(
                storage, DEFAULT_PROTOCOL, "dual", tmp_path, time.monotonic_ns(), tmp_path, reaper, interrupts, "x"
            )
            conductors.append(Conductor(OwnPod(command, PodLayout("pod-1", ("account-0001",)), {}), interrupts))
            return conductors[-1]

        yield conduct
        for conductor in conductors:
            conductor.pod.child.kill()


def test_the_conductor_goes_on_while_a_pod_gets_ready(conducting, monkeypatch):
    conductor = conducting("memory")
    pod, control = conductor.pod, conductor.control
    pod.start()
    address, launch = pod.target.url, pod.launch

    def launch_and_stop():
        starting = launch()
        starting.child.send(signal.SIGSTOP)  # it cannot get ready by itself
        return starting

    monkeypatch.setattr(pod, "launch", launch_and_stop)

    async def restart():
        await control.kill_pod("pod-1")
        starting = asyncio.ensure_future(control.start_pod("pod-1"))
        await asyncio.sleep(0.3)
        still_starting = not starting.done()
        await control.signal_pod("pod-1", signal.SIGCONT)
        await starting
        return still_starting

    assert conductor.during(restart()) is True
    assert pod.target.url == address
    assert pod.child.exit_code() is None


def test_a_pod_that_does_not_come_up_is_started_until_the_time_is_over(conducting, monkeypatch):
    monkeypatch.setattr("loadtests.conductor.run.actions.START_WITHIN_S", 4.0)
    conductor = conducting("no-such-storage")
    failed = conductor.during(conductor.control.start_pod("pod-1"))
    assert isinstance(failed, ActionFailed), failed
    assert str(failed) == "before it was ready, pod-1 ended with exit code 64; its log is " + (
        f"{conductor.pod.child.log.parent.name}/pod-1.log"
    )
    assert conductor.pod.child.log.read_text().count("no-such-storage") >= 2


def test_pod_without_ready_line_is_killed(conducting, monkeypatch):
    monkeypatch.setattr("loadtests.conductor.run.actions.START_WITHIN_S", 0.0)
    monkeypatch.setattr("loadtests.conductor.run.actions.READY_WITHIN_S", 0.0)
    conductor = conducting("memory")
    failed = conductor.during(conductor.control.start_pod("pod-1"))
    assert str(failed) == "pod-1 was not ready within 30 s"
    assert conductor.pod.child.exit_code() == -signal.SIGKILL


def test_a_closed_control_refuses_to_start_a_pod(conducting):
    conductor = conducting("memory")
    conductor.pod.start()
    conductor.control.close()
    failed = conductor.during(conductor.control.start_pod("pod-1"))
    assert str(failed) == "the run has ended"
