"""Faults of the pod that need no server, and how a pod gets its faults."""

import asyncio
import sys
import types
from pathlib import Path

import pytest
from pods import Client, running
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from loadtests import faultnames
from loadtests.faultnames import FAULTS, FaultEntry, FaultNameError, check_fault, unsuited
from loadtests.pod.application import PodApplication
from loadtests.pod.faults import polled_events, reconnect_herd
from loadtests.pod.faults.contract import CauseClass, Fault, load_fault, titles
from loadtests.pod.service import Service
from loadtests.pod.topics import Subscriber, Topics
from loadtests.protocols.messaging_pod import SUBPROTOCOL
from loadtests.records.vocabulary import OPERATIONS


@pytest.mark.parametrize("name", FAULTS)
def test_every_fault_names_an_operation_and_a_class_of_causes(name: str) -> None:
    fault = load_fault(name)
    assert fault.operation in OPERATIONS
    assert fault.cause in CauseClass.__args__
    assert 0 < len(fault.title) <= 120
    assert not fault.title.endswith(".")


def test_no_module_is_without_its_line_in_the_table() -> None:
    room = Path(reconnect_herd.__file__).parent
    modules = {path.stem for path in room.glob("*.py")} - {"__init__", "contract", "transactions"}
    assert modules == {entry.module for entry in FAULTS.values()}


def test_unknown_fault_is_refused_with_the_nearest() -> None:
    with pytest.raises(FaultNameError, match=r"unknown fault 'hot-conter': did you mean 'hot-counter'\?"):
        check_fault("hot-conter")


def test_line_without_its_module_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FAULTS, "ghost", FaultEntry("ghost"))
    with pytest.raises(FaultNameError, match=r"fault ghost lacks its module \(there is no module"):
        check_fault("ghost")


@pytest.mark.parametrize(
    ("fault", "storage", "problem"),
    [
        ("hot-counter", "postgres:none", ""),
        ("hot-counter", "sqlite", "hot-counter needs postgres"),
        ("blind-accept", "postgres:none", "blind-accept needs postgres:optimistic"),
        ("lost-events", "memory", ""),
        ("lost-events", "dual(sqlite,postgres)", "lost-events needs a storage system that is not dual"),
    ],
)
def test_faults_need_storages_where_they_are_real(fault: str, storage: str, problem: str) -> None:
    assert unsuited([fault], storage) == problem


async def test_fault_is_one_module_and_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def install(pod: PodApplication) -> None:
        pod.server.frames_out = 1000

    toy = types.ModuleType(f"{faultnames._ROOM}.toy")
    toy.FAULT = Fault("a toy", "chat.accept", "cpu", install)  # type: ignore[attr-defined]
    toy.__spec__ = types.SimpleNamespace(origin="")  # type: ignore[assignment]
    monkeypatch.setitem(sys.modules, toy.__name__, toy)
    monkeypatch.setitem(FAULTS, "toy", FaultEntry("toy"))
    async with running(faults=("toy",)) as pod:
        assert pod.server.frames_out == 1000
    assert titles(["toy"]) == [{"name": "toy", "title": "a toy"}]


async def test_without_faults_a_pod_has_its_own_parts_only() -> None:
    async with running() as pod:
        assert type(pod.service) is Service
        assert type(pod.service.topics) is Topics
        assert pod.service.subscriber is Subscriber
        assert "handle" not in vars(pod.service)
        assert pod.server.process_request is None
        assert pod.jobs == pod.preparations == []


async def received(pod: PodApplication, offers: int) -> list[str]:
    """Keys of the events that an agent gets of so many offers, in a quarter of a second after the last."""
    agent, customer = await Client.sit_down(pod), await Client.sit_down(pod, "customer")
    await agent.ask("subscription.create", topic="queue")
    for _ in range(offers):
        await customer.offer()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.25):
            while True:
                agent.events.append(await agent.receive())
    return [event["key"] for event in agent.events]


@pytest.mark.parametrize(("fault", "events", "different"), [("lost-events", 48, 48), ("duplicated-events", 51, 50)])
async def test_events_are_lost_or_sent_twice(fault: str, events: int, different: int) -> None:
    async with running(faults=(fault,)) as pod:
        keys = await received(pod, 50)
    assert (len(keys), len(set(keys))) == (events, different)


async def test_polled_events_come_when_the_storage_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(polled_events, "_EVERY_S", 0.6)
    async with running(faults=("polled-events",)) as pod:
        assert await received(pod, 3) == []
        agent = next(iter(pod.service.sessions.values()))
        async with asyncio.timeout(10):
            while agent.subscribers["queue"].after < 3:  # noqa: ASYNC110  a poller is waited for
                await asyncio.sleep(0.02)


async def test_journal_grows_with_every_request() -> None:
    async with running(faults=("endless-journal",)) as pod:
        client = await Client.sit_down(pod)
        for _ in range(10):
            await client.ask("heartbeat")
        (journal,) = (
            c.cell_contents for c in pod.service.handle.__closure__ or () if hasattr(c.cell_contents, "entries")
        )
        assert len(journal.entries) == 640
        assert sum(len(entry) for _, entry in journal.entries) == 640 * 300


async def test_reconnect_herd_cuts_all_off_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconnect_herd, "_EVERY_S", 0.3)
    async with running(faults=("reconnect-herd",)) as pod:
        clients = [await Client.sit_down(pod) for _ in range(3)]
        for client in clients:
            with pytest.raises(ConnectionClosed) as closed:
                await client.receive()
            assert closed.value.rcvd is None, "cut off without a close frame"


async def test_one_handshake_of_fifty_is_refused() -> None:
    refused = []
    async with running(faults=("refused-handshakes",)) as pod:
        for number in range(1, 101):
            try:
                async with connect(pod.url, subprotocols=[Subprotocol(SUBPROTOCOL)]):
                    pass
            except InvalidStatus as error:
                assert error.response.status_code == 503
                refused.append(number)
    assert refused == [50, 100]


async def test_pod_refuses_a_fault_that_its_storage_cannot_have() -> None:
    arguments = [sys.executable, "-m", "loadtests.pod", "--storage", "memory", "--fault", "notify"]
    pod = await asyncio.create_subprocess_exec(*arguments, stderr=asyncio.subprocess.PIPE)
    _, message = await pod.communicate()
    assert (pod.returncode, message.decode()) == (
        64,
        "pod: a pod on memory cannot have this fault: notify needs postgres\n",
    )
