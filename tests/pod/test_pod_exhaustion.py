"""What the pod's host runs out of is counted and logged, and is no answer of the storage."""

import asyncio
import errno
import logging
import resource
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from pods import Client, running

from loadtests.pod.exhaustion import Descriptors, LocalErrors
from loadtests.pod.storage.contract import StorageUnavailable


@pytest.fixture
def few_descriptors() -> Iterator[int]:
    """So many more than are open now."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    open_now = max(int(path.name) for path in Path("/proc/self/fd").iterdir())
    resource.setrlimit(resource.RLIMIT_NOFILE, (open_now + 40, before[1]))
    yield 40
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


async def test_pod_without_descriptors_for_clients_counts_it(few_descriptors: int) -> None:
    clients: list[socket.socket] = []
    async with running() as pod:
        host, _, port = pod.url.removeprefix("ws://").rpartition(":")
        deadline = time.monotonic() + 30
        try:
            while not pod.server.local_errors.total["descriptors"]:
                assert time.monotonic() < deadline
                with suppress(OSError):  # the test itself has none left, either
                    clients.append(socket.create_connection((host, int(port))))
                await asyncio.sleep(0.01)
        finally:
            for client in clients:
                client.close()


async def test_storage_that_could_not_connect_for_want_of_descriptors_is_not_blamed(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def accept(*_: object) -> None:
        raise StorageUnavailable("PostgreSQL cannot be reached") from OSError(errno.EMFILE, "Too many open files")

    async with running() as pod:
        customer, agent = await Client.sit_down(pod, "customer", "Bob"), await Client.sit_down(pod)
        chat = await customer.offer()
        monkeypatch.setattr(pod.storage, "accept_chat", accept)
        with caplog.at_level(logging.WARNING):
            answer = await agent.ask("chat.accept", chat=chat)
        assert (answer["outcome"], answer["error"]) == ("fail", "internal")
        assert pod.counters()["local_errors"] == {"descriptors": 1}
        (record,) = [r for r in caplog.records if r.getMessage() == "local_errors"]
        assert (vars(record)["resource"], vars(record)["count"]) == ("descriptors", 1)


def test_counts_are_logged_once_a_second_and_none_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    errors = LocalErrors()
    with caplog.at_level(logging.WARNING):
        for _ in range(5):
            assert errors.note(MemoryError())
        assert not errors.note(ValueError("no"))
        errors.flush()
        errors.flush()
    assert [vars(r)["count"] for r in caplog.records] == [1, 4]
    assert errors.total == {"memory": 5}


def test_no_descriptor_is_the_last_one_without_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    errors = LocalErrors()
    Descriptors(errors).opened(7)
    assert not errors.total
