"""When actions run, what is reported of them, and that they revert their effects."""

import asyncio
import subprocess
import threading
import time
from contextlib import asynccontextmanager
from typing import ClassVar

import psutil
import pytest

from loadtests.scenario import Scenario, parse_scenario
from loadtests.timeline.action_runner import ActionResult, ActionRunner
from loadtests.timeline.actions.pod_calls import added
from loadtests.timeline.context import ActionContext, ActionFailed, DatabaseHandle, PodHandle

SCENARIO = """\
name: x
agent: {subscriptions: 0, think: {median: 1s, sigma: 0}, chats_at_once: 1, session: 1h}
customer: {arrivals: poisson, patience: 1s, messages: {min: 0, max: 0}, pause: {median: 1s, sigma: 0}}
pods: [{name: "17"}, {name: "18"}]
stages:
  - {name: warm-up, duration: 60s, agents: 2, arrivals_per_s: 1}
  - {name: steady, duration: 60s, agents: 2, arrivals_per_s: 1, judge: true}
timeline:
"""


def playing(*lines: str) -> Scenario:
    return parse_scenario(SCENARIO + "".join(f"  - {{stage: steady, {line}}}\n" for line in lines), "x.yaml")


WARM_UP_NS = 60_000_000_000


class FakeControl:
    """Notes what it is asked to do; cannot start a pod called 18."""

    def __init__(self):
        self.done: list[str] = []

    @asynccontextmanager
    async def expected_down(self, *names):
        self.done.append(f"expected down {' '.join(names)}")
        try:
            yield
        finally:
            self.done.append(f"recovered {' '.join(names)}")

    async def kill_pod(self, name):
        self.done.append(f"kill {name}")

    async def start_pod(self, name):
        if name == "18":
            raise ActionFailed("18 does not start: its port is taken")
        self.done.append(f"start {name}")

    async def signal_pod(self, name, number):
        self.done.append(f"{int(number)} {name}")

    async def moved(self, pod, to, share):
        self.done.append(f"{pod} moved to {to} {share}")

    async def in_doubt(self, pod):
        self.done.append(f"{pod} in doubt")

    async def last_worker(self):
        return self.worker.pid

    @asynccontextmanager
    async def ends_with_run(self, group):
        self.done.append("ends with run")
        yield

    async def cut(self, pod, database, how):
        self.done.append(f"{how} {pod}-{database}")


class Server:
    """Notes what it is asked to do. `start` takes until `recovered` is set."""

    limits: ClassVar = {"connections": 9, "open_files": 99, "max_connections": 14}

    def __init__(self):
        self.done: list[str] = []
        self.recovered = threading.Event()
        self.recovered.set()

    def start(self):
        self.done.append("start")
        assert self.recovered.wait(10)
        self.done.append("started")

    def __getattr__(self, name):
        return lambda *_: self.done.append(name)


@pytest.fixture
def control():
    return FakeControl()


@pytest.fixture
def context(control):
    pods = {
        name: PodHandle(name, "http://127.0.0.1:1", "token", (f"account-{name}",), {"postgres": "postgres"})
        for name in ("17", "18")
    }
    return ActionContext(pods, {"postgres": DatabaseHandle("postgres", "postgres", "", Server())}, control)


class Played:
    """A runner, and what has come of it."""

    def __init__(self, context, *lines):
        self.results: list[ActionResult] = []
        self.messages: list[str] = []
        self._loop = asyncio.new_event_loop()
        self.began_ns = time.monotonic_ns()
        self.runner = ActionRunner(playing(*lines), context, self._loop, self)
        self.runner.begin(self.began_ns - WARM_UP_NS)

    def report(self, message):
        self.messages.append(message)

    def ended(self, result):
        self.results.append(result)

    def failed(self, error):
        raise error

    def run_until(self, condition):
        end = time.monotonic() + 10
        while not condition():
            assert time.monotonic() < end, (self.results, self.messages)
            self._loop.run_until_complete(asyncio.sleep(0.005))

    def until(self, number):
        self.run_until(lambda: len(self.results) >= number)
        return self.results

    def stop(self):
        self.runner.ask_to_stop()
        self.run_until(lambda: not self.runner.alive)
        self._loop.close()
        return self.results


def test_actions_happen_after_their_stage_began(context, control):
    played = Played(context, "after: 100ms, do: run, command: [sh, -c, exit 0]", "do: run, command: [sh, -c, exit 3]")
    first, second = played.until(2)
    played.stop()
    assert (first.result, first.error) == ("failed", "sh ended with exit code 3")
    assert (second.result, second.found) == ("ok", {"exit_code": 0})
    assert second.started_ns - played.began_ns >= 100_000_000
    assert second.ended_ns >= second.started_ns


def test_actions_of_a_stage_to_come_wait_for_it(context):
    played = Played(context, "after: 30s, do: run, command: [sh, -c, exit 0]")
    played.run_until(lambda: time.monotonic_ns() - played.began_ns > 300_000_000)
    assert played.messages == []
    assert played.stop() == []


def test_a_killed_pod_is_started_again(context, control):
    played = Played(context, 'do: kill, pods: ["17"], for: 50ms')
    (outcome,) = played.until(1)
    played.stop()
    assert outcome.result == "ok"
    assert control.done == ["expected down 17", "kill 17", "start 17", "recovered 17"]
    assert outcome.ended_ns - outcome.started_ns >= 50_000_000


def test_failure_to_revert_is_reported(context):
    played = Played(context, 'do: kill, pods: ["18"], for: 50ms')
    (outcome,) = played.until(1)
    played.stop()
    assert (outcome.result, outcome.error) == ("failed", "18 does not start: its port is taken")


def test_end_of_run_reverts_effects(context, control):
    played = Played(
        context,
        'do: kill, pods: ["17"], for: 50s',
        'do: pause, pods: ["18"], for: 50s',
        "do: cut, how: blackhole, for: 50s",
        "do: kill, database: postgres",
    )
    server = context.databases["postgres"].server
    played.run_until(lambda: len(control.done) >= 6 and "kill" in server.done)
    outcomes = played.stop()
    assert {(a.action.do, a.result) for a in outcomes} == {
        ("kill", "unfinished"), ("pause", "unfinished"), ("cut", "unfinished"), ("kill", "ok"),
    }  # fmt: skip
    assert server.done == ["kill", "start", "started"]
    assert control.done[-1] != "kill 17"
    for reverted in ("start 17", "18 18", "pass 17-postgres", "pass 18-postgres", "recovered postgres"):
        assert reverted in control.done


def test_a_command_that_takes_too_long_is_ended(context):
    played = Played(context, 'do: run, command: [sleep, "60"], within: 100ms')
    (outcome,) = played.until(1)
    played.stop()
    assert (outcome.result, outcome.error) == ("failed", "it was not done in time and was cut off")


def test_a_command_is_ended_with_whatever_it_has_started(context, control, tmp_path):
    pid_file = tmp_path / "pid"
    command = f'do: run, command: [sh, -c, "sleep 60 & echo $! > {pid_file}; wait"], within: 500ms'
    played = Played(context, command)
    (outcome,) = played.until(1)
    played.stop()
    assert outcome.error == "it was not done in time and was cut off"
    assert outcome.ended_ns - outcome.started_ns < 5_000_000_000
    assert control.done == ["ends with run"]
    grandchild = int(pid_file.read_text())
    end = time.monotonic() + 5
    while psutil.pid_exists(grandchild) and psutil.Process(grandchild).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_worker_is_stopped_and_the_same_one_goes_on(context, control):
    with subprocess.Popen(["sleep", "60"]) as control.worker:
        worker = psutil.Process(control.worker.pid)
        played = Played(context, "do: pause, worker: true, for: 1s")
        played.run_until(lambda: worker.status() == psutil.STATUS_STOPPED)
        played.until(1)
        assert worker.status() != psutil.STATUS_STOPPED
        played.stop()
        control.worker.kill()


def test_unanswered_move_is_in_doubt_and_other_pods_are_moved(context, control):
    played = Played(context, "do: migrate, to: dual")
    (outcome,) = played.until(1)
    played.stop()
    assert outcome.result == "failed"
    assert "pod 17, POST /storage" in outcome.error
    assert "pod 18, POST /storage" in outcome.error
    assert sorted(control.done) == ["17 in doubt", "18 in doubt"]


@pytest.mark.alone
def test_several_go_on_at_once(context):
    played = Played(context, 'do: pause, pods: ["17"], for: 300ms', 'do: pause, pods: ["18"], for: 300ms')
    one, other = played.until(2)
    played.stop()
    assert abs(one.started_ns - other.started_ns) < 200_000_000


class Busy(Played):
    """One whose killed server does not come up yet, while another action has come."""

    def __init__(self, run_context, *more):
        self.server = run_context.databases["postgres"].server
        self.server.recovered.clear()
        super().__init__(run_context, "do: kill, database: postgres, for: 50ms", *more)
        self.run_until(
            lambda: (
                "start" in self.server.done and any(message.startswith("action queued") for message in self.messages)
            )
        )


def test_action_on_a_busy_server_is_queued_and_reported(context):
    played = Busy(context, "after: 100ms, do: resize, cores: 1")
    assert played.messages[-1] == (
        "action queued: database resized: 1 core: database postgres is in use by another action"
    )
    assert played.server.done == ["kill", "start"]
    played.server.recovered.set()
    kill, resize = played.until(2)
    played.stop()
    assert played.server.done == ["kill", "start", "started", "resize"]
    assert (kill.result, kill.waited_ns) == ("ok", 0)
    assert resize.result == "ok"
    assert resize.found == {"postgres": {"connections": 9, "open_files": 99}}
    assert resize.started_ns >= kill.ended_ns
    assert 0 < resize.waited_ns <= resize.started_ns - played.began_ns - 100_000_000


def test_who_still_waits_at_the_end_has_done_nothing(context):
    played = Busy(context, "after: 100ms, do: kill, database: postgres, for: 1s")
    played.runner.ask_to_stop()
    (waiting,) = played.until(1)
    assert (waiting.result, waiting.error) == (
        "unfinished",
        "the run ended while it was queued",
    )
    assert waiting.waited_ns > 0
    played.server.recovered.set()
    assert [outcome.result for outcome in played.stop()] == ["unfinished", "unfinished"]
    assert played.server.done == ["kill", "start", "started"], "only effects that took place are reverted"


def test_action_on_free_components_is_not_queued(context):
    played = Busy(context, "after: 100ms, do: resize, cores: 1", 'after: 150ms, do: pause, pods: ["17"], for: 10ms')
    (pause,) = played.until(1)
    assert (pause.result, pause.waited_ns) == ("ok", 0)
    played.server.recovered.set()
    played.stop()


def test_answers_of_pods_are_added_up():
    answers = [
        {"moved": 2, "share": 60, "to": "dual", "diverged": {"chats": 1}},
        {"moved": 1, "share": 60, "to": "dual", "diverged": {"chats": 2, "messages": 3}},
    ]
    assert added(answers) == {"moved": 3, "share": 60, "to": "dual", "diverged": {"chats": 3, "messages": 3}}
