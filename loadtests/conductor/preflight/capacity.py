"""What a study needs of this host, and what of that the host does not have: found before anything is started."""

import math
import os
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from loadtests.conductor.choices import Choices, Subject, Target
from loadtests.conductor.layout import Layout, PodLayout, layout
from loadtests.conductor.target import address_of
from loadtests.engines import ENGINES, has
from loadtests.limits import descriptors, memory, ports, tasks
from loadtests.scenario import Scenario, Stage
from loadtests.servers.registry import files_needed

POOL = 20
"""Sessions that a pod opens with a database at most."""

WORKER_FILES = 40
"""Open files of a load worker beside its connections: 23 at rest."""

POD_FILES = 60
"""Open files of a pod beside its clients and database sessions: 18 at rest, 37 with SQLite."""

_WORKER_TASKS, _POD_TASKS, _OTHER_TASKS = 5, 14, 12
"""Of a worker, of a pod, of the Locust master and the observer (measured: 4, 9 to 14, 10)."""

_PROCESS_MB = 60
"""Memory of a Python process of ours that it shares with no other one (measured: 60 to 110)."""


@dataclass(frozen=True)
class Host:
    """What this host has for us. `ports` takes host and port of an address, None for one that is to come."""

    descriptors: int
    tasks: int | None
    memory_mb: int
    cores: int
    ports: Callable[[str | None, int], int]

    @classmethod
    def here(cls) -> "Host":
        return cls(
            descriptors.limit(),
            tasks.free_tasks(),
            memory.total_bytes() // 2**20,
            len(os.sched_getaffinity(0)),
            ports.free_ports,
        )


class ResourceNeed(NamedTuple):
    """A resource that a study needs: how much of it there is, and how to get more."""

    what: str
    needed: int
    available: int
    how: str

    @property
    def short(self) -> bool:
        return self.needed > self.available

    def __str__(self) -> str:
        return f"{self.what}: {self.needed:,} needed, {self.available:,} available; raise it by {self.how}"


def shortfalls(choices: Choices, host: Host) -> list[str]:
    """One line for each resource of which the host has too little for any run of the study, each only once."""
    people = connections_at_once(choices.scenario)
    needs = [need for subject in choices.subjects for need in _needs(choices, subject, people, host)]
    return list(dict.fromkeys(f"this host has too little: {need}" for need in needs if need.short))


def doubts(choices: Choices, subject: Subject, host: Host) -> list[str]:
    """What one run may lack when customers wait as long as they can, which depends on the pod: one line each."""
    least, most = (connections_at_once(choices.scenario, patient=patient) for patient in (False, True))
    certain = {need.what for need in _needs(choices, subject, least, host) if need.short}
    return [
        f"this host may have too little when customers wait: {need}"
        for need in _needs(choices, subject, most, host)
        if need.short and need.what not in certain
    ]


def connections_at_once(scenario: Scenario, *, patient: bool = False) -> int:
    """Agents and customers who are connected at the same time: as few as there can be, the pod answering at once, or
    as many as when all customers wait for an answer as long as they can (`patient`)."""
    return max(math.ceil(stage.agents + _customers(scenario, stage, patient)) for stage in scenario.stages)


def _customers(scenario: Scenario, stage: Stage, patient: bool) -> float:
    """Rate times stay. A customer waits while an agent thinks, and pauses before each further message."""
    customer = scenario.customer
    answered_s = customer.patience_s if patient or not stage.agents else scenario.agent.think.median_s
    messages = (customer.messages.min + customer.messages.max) / 2
    stay_s = min(answered_s, customer.patience_s) + messages * customer.pause.median_s
    return stage.arrivals_per_s * min(stay_s, stage.duration_s)


def _needs(choices: Choices, subject: Subject, people: int, host: Host) -> Iterator[ResourceNeed]:
    plan, generator = layout(choices.scenario, subject.storage), choices.generator
    if generator.expect_workers is None:
        each = math.ceil(people / generator.processes) + WORKER_FILES
        how = f"{descriptors.HOW}, or use more --processes"
        yield ResourceNeed("open files of a load worker", each, host.descriptors, how)
        yield from _ports(plan, subject.target, people, host)
    if subject.storage is None:
        return
    for pod in plan.pods:
        what = f"open files of the pod {pod.name}"
        sessions = sum(POOL for name in pod.databases.values() if has(plan.databases[name].engine, "server"))
        needed = _share(plan, pod, people) + sessions + POD_FILES
        yield ResourceNeed(what, needed, host.descriptors, descriptors.HOW)
    yield from _servers(choices.scenario, plan, host)
    yield from _tasks(choices, plan, host)


def _share(plan: Layout, pod: PodLayout, people: int) -> int:
    """How many of the people are connected to one pod: accounts by their weight."""
    total = sum(len(one.accounts) * one.weight for one in plan.pods)
    return math.ceil(people * len(pod.accounts) * pod.weight / total)


def _ports(plan: Layout, target: Target | None, people: int, host: Host) -> Iterator[ResourceNeed]:
    how = f"{ports.HOW}, or end what holds them"
    if target is None:
        for pod in plan.pods:
            what = f"ephemeral ports towards the pod {pod.name}"
            yield ResourceNeed(what, _share(plan, pod, people), host.ports(None, 0), how)
    elif (address := _address(target.url)) is not None:
        yield ResourceNeed(f"ephemeral ports towards {target.url}", people, host.ports(*address), how)


def _address(url: str) -> tuple[str, int] | None:
    """IP address and port of a target that has exactly one; each address has ports of its own."""
    host, port = address_of(url)
    try:
        found = {str(info[4][0]) for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)}
    except (OSError, UnicodeError):  # which the check of the target reports
        return None
    return (found.pop().partition("%")[0], port) if len(found) == 1 else None


def _servers(scenario: Scenario, plan: Layout, host: Host) -> Iterator[ResourceNeed]:
    memory_mb = 0
    for name, storage in plan.databases.items():
        if not has(storage.engine, "server"):
            continue
        connections = _largest(scenario, plan, name, "connections")
        needed = files_needed(storage.engine, connections)
        what = f"open files of the database server {name}"
        what += f" with {connections} connections" if connections is not None else ""
        yield ResourceNeed(what, needed, host.descriptors, f"{descriptors.HOW}, or ask for fewer connections")
        cores = _largest(scenario, plan, name, "cores") or 1
        yield ResourceNeed(
            f"cores of the database server {name}", cores, host.cores, "a larger CPU affinity (taskset, cpuset)"
        )
        memory_mb += _largest(scenario, plan, name, "memory_mb") or 0
    if memory_mb:
        ours = _PROCESS_MB * (len(plan.pods) + 4)
        how = f"{memory.HOW}, or ask for smaller servers"
        yield ResourceNeed("MB of memory for database servers, pods and load", memory_mb + ours, host.memory_mb, how)


def _largest(scenario: Scenario, plan: Layout, name: str, size: str) -> int | None:
    """The largest that a server is to be, at the start or by an action; None: nothing was asked for."""
    role = plan.role_of(name)
    asked = [(scenario.size_of(name) or scenario.size_of(role)).get(size)]
    asked += [
        action.server_sizes.get(size)
        for action in scenario.timeline
        if name in action.touched(plan.components).databases
    ]
    return max((value for value in asked if value is not None), default=None)


def _tasks(choices: Choices, plan: Layout, host: Host) -> Iterator[ResourceNeed]:
    if host.tasks is None:
        return
    needed = _OTHER_TASKS + _WORKER_TASKS * choices.generator.processes + _POD_TASKS * len(plan.pods)
    for storage in plan.databases.values():
        needed += ENGINES[storage.engine].host.tasks
    for pod in plan.pods:
        needed += sum(
            POOL * ENGINES[plan.databases[name].engine].host.tasks_a_session for name in pod.databases.values()
        )
    yield ResourceNeed("processes and threads", needed, host.tasks, tasks.HOW)
