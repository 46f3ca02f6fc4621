"""Opens idle agents in a process of its own: `python -m benchmarks._idle_agents URL COUNT`. Prints bytes an agent."""

# ruff: noqa: E402, PLW0603  the patch comes before the imports; the measuring greenlet reads a count
from gevent import monkey

monkey.patch_all()

import gc
import json
import os
import sys
import tempfile
import time
from itertools import count
from pathlib import Path
from typing import ClassVar

import gevent
import psutil
from gevent.event import Event
from locust import User, task
from locust.env import Environment

from benchmarks._figures import allow_descriptors
from loadtests.generator.live import LiveStatistics
from loadtests.generator.recorder import Recorder
from loadtests.generator.sinks import FileSink
from loadtests.protocols import parse_protocol
from loadtests.protocols.contract import Command, Identity
from loadtests.records.rundirectory import RunDirectory
from loadtests.users.recording import Who
from loadtests.wire.connection import Connection
from loadtests.wire.opening import Endpoint

WARM_UP = 200
TOPICS = ("queue", "agent/1", "agent/2", "agent/3", "agent/4")

keys = count(1)
PROTOCOL = parse_protocol("messaging-pod.v1")
ADA = Identity("t", "agent", "Ada")
ORIGIN_NS = time.monotonic_ns()
idle = 0


class IdleAgent(User):
    """Connects, subscribes, and waits for offers, of which there are none."""

    recorder: ClassVar[Recorder]

    @task
    def wait_for_offers(self) -> None:
        global idle
        wakened = Event()
        client = PROTOCOL.client(ADA)
        self.connection = Connection.open(
            Endpoint(self.host, PROTOCOL.spec.subprotocols),
            client,
            timeout_s=30,
            on_push=lambda push, at: wakened.set(),
        )
        number = next(keys)
        who = Who(0, 0, number, number)
        for topic in TOPICS:
            key = next(keys)
            operation = self.recorder.begin(who, "subscription.create", key)
            reply, ended_ns = self.connection.request(
                key, client.send(Command("subscription.create", key, topic=topic)), 30
            )
            self.recorder.end(operation, reply.outcome, reply.error, ended_ns - ORIGIN_NS)
        idle += 1
        wakened.wait()


def open_agents(environment: Environment, agents: int) -> int:
    """Resident bytes with that many idle agents."""
    environment.runner.start(agents, spawn_rate=1000)
    while idle < agents:
        gevent.sleep(0.1)
    gevent.sleep(1.5)
    gc.collect()
    return int(psutil.Process().memory_info().rss)


def main(url: str, agents: int) -> None:
    allow_descriptors(agents + 1000)
    IdleAgent.host = url
    environment = Environment(user_classes=[IdleAgent])
    environment.create_local_runner()
    live = LiveStatistics(environment.stats)
    directory = RunDirectory(Path(tempfile.mkdtemp()))
    IdleAgent.recorder = Recorder(FileSink(directory, 0, ["pod"]), ORIGIN_NS, live.take_rows)
    few = open_agents(environment, WARM_UP)
    many = open_agents(environment, WARM_UP + agents)
    print(json.dumps({"bytes": (many - few) / agents}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
    os._exit(0)
