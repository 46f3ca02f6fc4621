"""What a study needs of its host is compared with what the host has, before anything is started."""

from dataclasses import replace
from pathlib import Path

import pytest

from loadtests.conductor.choices import Choices, Generator, Subject, Target
from loadtests.conductor.preflight.capacity import Host, connections_at_once, doubts, shortfalls
from loadtests.scenario import parse_scenario

SCENARIO = """\
name: x
agent: {subscriptions: 0, think: {median: 1s, sigma: 0}, chats_at_once: 1, session: 1h}
customer: {arrivals: poisson, patience: 10s, messages: {min: 2, max: 4}, pause: {median: 2s, sigma: 0}}
stages:
  - {name: warm-up, duration: 1s, agents: 1, arrivals_per_s: 1}
  - {name: steady, duration: 60s, agents: 1000, arrivals_per_s: 10, judge: true}
"""
AMPLE = Host(descriptors=20_000, tasks=None, memory_mb=100_000, cores=8, ports=lambda host, port: 28_000)


def choices(*storages: str, more: str = "", processes: int = 1, **changed) -> Choices:
    text = SCENARIO + more
    subjects = tuple(Subject(storage=name) for name in storages)
    made = Choices(parse_scenario(text, "x.yaml"), text, subjects, 1, Path("runs"), 1, Generator(processes))
    return replace(made, **changed)


def test_customers_at_once_are_rate_times_stay():
    scenario = choices("memory").scenario
    assert connections_at_once(scenario) == 1000 + 10 * (1 + 3 * 2)
    assert connections_at_once(scenario, patient=True) == 1000 + 10 * (10 + 3 * 2)


@pytest.mark.parametrize("storage", ["memory", "sqlite", "postgres", "mariadb", "redis", "dual(sqlite,postgres)"])
def test_ample_host_lacks_nothing(storage: str):
    assert shortfalls(choices(storage), AMPLE) == []
    assert doubts(choices(storage), Subject(storage=storage), AMPLE) == []


def test_all_shortfalls_are_reported_at_once():
    scarce = Host(descriptors=256, tasks=20, memory_mb=100, cores=1, ports=lambda host, port: 81)
    more = "servers: {redis: {connections: 2000, memory_mb: 512, cores: 4}}\n"
    found = shortfalls(choices("redis", more=more), scarce)
    assert [line.removeprefix("this host has too little: ").partition("; ")[0] for line in found] == [
        "open files of a load worker: 1,110 needed, 256 available",
        "ephemeral ports towards the pod pod-1: 1,070 needed, 81 available",
        "open files of the pod pod-1: 1,150 needed, 256 available",
        "open files of the database server redis with 2000 connections: 2,037 needed, 256 available",
        "cores of the database server redis: 4 needed, 1 available",
        "MB of memory for database servers, pods and load: 812 needed, 100 available",
        "processes and threads: 39 needed, 20 available",
    ]
    assert all("; raise it by " in line for line in found)


def test_agents_are_shared_out_over_workers_and_pods():
    more = "pods: [{name: small}, {name: large, accounts: 2, weight: 2}]\n"
    host = replace(AMPLE, descriptors=500)
    (pod,) = shortfalls(choices("memory", more=more, processes=4), host)
    assert pod.startswith("this host has too little: open files of the pod large: 916 needed, 500 available")


@pytest.mark.parametrize(("engine", "limit"), [("mariadb", 2104), ("redis", 2036)])
def test_server_that_an_action_makes_larger_needs_its_files(engine: str, limit: int):
    more = f"timeline:\n  - {{stage: steady, do: resize, connections: 2000, database: {engine}}}\n"
    (server,) = shortfalls(choices(engine, more=more), replace(AMPLE, descriptors=limit))
    assert f"database server {engine} with 2000 connections: {limit + 1:,} needed" in server
    assert shortfalls(choices(engine, more=more), replace(AMPLE, descriptors=limit + 1)) == []


def test_sessions_of_postgres_are_processes_and_not_files():
    more = "servers: {postgres: {connections: 2000}}\n"
    assert shortfalls(choices("postgres", more=more), replace(AMPLE, descriptors=1200)) == []


def test_customers_who_may_wait_are_a_doubt_and_no_refusal():
    host = replace(AMPLE, descriptors=1150)
    assert shortfalls(choices("memory"), host) == []
    worker, pod = doubts(choices("memory"), Subject(storage="memory"), host)
    assert "may have too little when customers wait: open files of a load worker: 1,200 needed, 1,150" in worker
    assert "open files of the pod pod-1: 1,220 needed" in pod


def test_target_is_asked_for_the_ports_towards_it():
    asked = []

    def ports(host: str | None, port: int) -> int:
        asked.append((host, port))
        return 500

    target = Target("wss://127.0.0.1/chat", "theirs")
    (line,) = shortfalls(choices(subjects=(Subject(target=target),)), replace(AMPLE, ports=ports))
    assert asked == [("127.0.0.1", 443)]
    assert "ephemeral ports towards wss://127.0.0.1/chat: 1,070 needed, 500 available" in line


def test_workers_elsewhere_have_limits_of_their_own():
    target = (Subject(target=Target("ws://127.0.0.1:1", "theirs")),)
    elsewhere = Generator(expect_workers=2, bind="127.0.0.1:1")
    assert shortfalls(choices(subjects=target, generator=elsewhere), replace(AMPLE, descriptors=10)) == []


def test_this_host_has_figures():
    host = Host.here()
    assert host.descriptors > 0
    assert host.memory_mb > 0
    assert host.ports(None, 0) > 0
