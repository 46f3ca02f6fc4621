"""One run in one worker: what its agents and customers share, and how they are started and ended."""

import hashlib
import logging
import math
import random
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import gevent
from gevent.pool import Group

from loadtests.accounts import token_for
from loadtests.protocols import parse_protocol
from loadtests.records.vocabulary import TIMED_OPERATIONS
from loadtests.scenario import LogNormal, RunPlan, Scenario, parse_scenario
from loadtests.scenario.arrivals import Arrival, arrivals, thinned
from loadtests.scenario.stages import StageSpan, StageTimeline, timeline
from loadtests.users.clock import Clock, sleep_until
from loadtests.users.recording import ConnectionFailures, OperationRecorder, PendingOperation
from loadtests.wire.failures import ConnectionFailed

if TYPE_CHECKING:
    from loadtests.users.agent import Agent
    from loadtests.users.customer import Customer
    from loadtests.users.session import Session

LATE_NS = 100_000_000
"""A scheduled arrival that begins later than this is the generator's own fault."""

POOL = 256
"""Names, and sentences, made for each locale: enough variety, a tenth of a second of work."""

_MOST_CRASHES = 10
"""Different faults that are kept; a broken load has one, many times over."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class AccountEndpoint:
    """An account on a pod: the pod's code in the tables and its URL, the account's number, name and token.
    `networks`: where the pod's host may be."""

    pod: int
    url: str
    account: int
    token: str
    networks: tuple[str, ...] = ()


def account_endpoints(plan: RunPlan, secret: str) -> list[AccountEndpoint]:
    """Every account of every pod, as often as its pod's weight says. An account's number is its place among the names,
    in the order first seen."""
    numbers: dict[str, int] = {}
    for pod in plan.pods:
        for account in pod.accounts:
            numbers.setdefault(account, len(numbers))
    return [
        AccountEndpoint(code, pod.url, numbers[account], token_for(account, secret), pod.networks)
        for code, pod in enumerate(plan.pods)
        for account in pod.accounts * pod.weight
    ]


def first_key(plan: RunPlan, worker: int) -> int:
    """The first of a worker's keys: 20 bits for the run, 12 for the worker, 32 to count with."""
    nonce = int.from_bytes(hashlib.sha256(f"{plan.run} {plan.origin_ns}".encode()).digest()[:3], "big") >> 4
    return nonce << 44 | (worker & 0xFFF) << 32 | 1


class Causes:
    """When the operations that cause pushes were planned and started, for as long as their pushes may come: the last
    20,000 to 40,000 of this worker."""

    def __init__(self) -> None:
        self._young: dict[int, PendingOperation] = {}
        self._old: dict[int, PendingOperation] = {}

    def note(self, key: int, pending: PendingOperation) -> None:
        if len(self._young) >= 20_000:
            self._old, self._young = self._young, {}
        self._young[key] = pending

    def find(self, key: int) -> tuple[int | None, int | None]:
        """Planned and started; None where this worker does not know."""
        pending = self._young.get(key) or self._old.get(key)
        return (None, None) if pending is None else (pending[-2], pending[-1])


@dataclass(frozen=True)
class People:
    """Names and sentences of one worker. The same seed, worker and locales give the same ones in the same order."""

    names: tuple[str, ...]
    sentences: tuple[str, ...]
    _random: random.Random

    @classmethod
    def of(cls, locales: Sequence[str], seed: int, worker: int) -> "People":
        """Call it after the fork: one made before would give every worker the same people. Raises AttributeError for
        a locale that Faker does not have."""
        from faker import Faker  # after the fork, and not at all in the master

        names, sentences = [], []
        for locale in locales:
            fake = Faker(locale)
            fake.seed_instance(f"{seed} {worker} {locale}")
            names += [fake.name() for _ in range(POOL)]
            sentences += [fake.sentence(nb_words=8) for _ in range(POOL)]
        return cls(tuple(names), tuple(sentences), random.Random(f"people {seed} {worker}"))  # noqa: S311  no secrets

    def name(self) -> str:
        return self._random.choice(self.names)

    def sentence(self) -> str:
        return self._random.choice(self.sentences)


class Load:
    """What the agents and customers of one worker share: part `worker` of `workers` of the load. A worker that came
    later has a number beyond, and no part of the arrivals."""

    def __init__(self, plan: RunPlan, worker: int, workers: int, clock: Clock, recorder: OperationRecorder) -> None:
        self.plan = plan
        self.worker, self._workers = worker, workers
        self.clock = clock
        self.recorder = recorder
        self.scenario: Scenario = parse_scenario(plan.scenario, "scenario.yaml")
        self.timeline: StageTimeline = timeline(self.scenario.stages)
        self.protocol = parse_protocol(plan.protocol)
        self.people = People.of(self.scenario.locales, plan.seed, worker)
        self.random = random.Random(f"acts {plan.seed} {worker}")  # noqa: S311  no secrets
        self.endpoints: list[AccountEndpoint] = []
        self.patience_ns = int(self.scenario.customer.patience_s * 1e9)
        self.think_ns = self._lognormal(self.scenario.agent.think)
        self.pause_ns = self._lognormal(self.scenario.customer.pause)
        self.agents: set[Agent] = set()
        self.customers: set[Customer] = set()
        self.sessions: set[Session] = set()
        self.causes = Causes()
        self.late_starts = 0
        self.unstamped_connections = 0
        """Connections whose arrivals are timed on reading, as the kernel does not stamp them."""
        self.connection_failures = ConnectionFailures()
        self._starts_ns = 0
        self.begun_arrivals = [0] * len(self.timeline.spans)
        """By the stage that they were due in."""
        self.crashes: Counter[str] = Counter()
        """Faults of our own, with how often each happened."""
        self.ending = False
        self.next_user, self.next_connection = count().__next__, count().__next__
        self.new_key = count(first_key(plan, worker)).__next__
        self._agents = count()
        self.timeouts_s = {name: self.scenario.timeout_s(name) for name in (*TIMED_OPERATIONS, "default")}
        self._greenlets, self._crowd = Group(), Group()

    def agent_endpoint(self) -> AccountEndpoint:
        """Agents fill the endpoints in turn, over all workers."""
        return self.endpoints[(next(self._agents) * self._workers + self.worker) % len(self.endpoints)]

    def customer_endpoint(self, arrival: Arrival) -> AccountEndpoint:
        return self.endpoints[int(arrival.account * len(self.endpoints))]

    def exponential_ns(self, mean_s: float) -> int:
        return int(self.random.expovariate(1 / mean_s) * 1e9)

    def _lognormal(self, of: LogNormal) -> Callable[[], int]:
        if of.median_s <= 0:
            return lambda: 0
        mu, sigma = math.log(of.median_s * 1e9), of.sigma
        return lambda: int(self.random.lognormvariate(mu, sigma))

    # Starting.

    def begin(self, starts_ns: int, secret: str, customer: "Callable[[Load, Arrival, int], Customer]") -> None:
        """Starts what the schedule drives: arrivals, storms, heartbeats. `secret` signs the accounts' tokens;
        `customer` makes one of this load, an arrival and the moment when it is due."""
        self.endpoints = account_endpoints(self.plan, secret)
        self._starts_ns = starts_ns
        self._spawn(self._arrive, starts_ns, customer)
        self._spawn(self._keep_alive)
        for span in self.timeline.spans:
            if span.stage.reconnect > 0:
                self._spawn(self._storm, span, starts_ns + int(span.starts_s * 1e9))

    def _spawn(self, work: Callable[..., None], *arguments: object) -> None:
        self._greenlets.spawn(self.guarded, work, *arguments)

    def guarded(self, work: Callable[..., None], *arguments: object) -> None:
        """Runs `work`; a crash of our own is reported, not swallowed."""
        try:
            work(*arguments)
        except Exception as error:
            self.note_crash(error)

    def note_crash(self, error: BaseException) -> None:
        """Counts a fault of our own, with its place; the run is incomplete then."""
        _log.error("internal error of the load", exc_info=error)
        frames = traceback.extract_tb(error.__traceback__)
        place = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
        text = f"{type(error).__name__}: {error}{place}"
        if text in self.crashes or len(self.crashes) < _MOST_CRASHES:
            self.crashes[text] += 1

    @property
    def errors(self) -> list[str]:
        """The faults in words, each once."""
        return [f"{text} ({times} times)" if times > 1 else text for text, times in self.crashes.items()]

    def _arrive(self, starts_ns: int, customer: "Callable[[Load, Arrival, int], Customer]") -> None:
        kind = self.scenario.customer.arrivals
        schedule = arrivals(self.timeline.segments(), kind, self.plan.seed)
        for arrival in thinned(schedule, self.worker, self._workers) if self.worker < self._workers else ():
            due_ns = starts_ns + int(arrival.at_s * 1e9)
            sleep_until(self.clock.origin_ns + due_ns)
            self._crowd.spawn(self.guarded, customer(self, arrival, due_ns).live)

    @property
    def starts(self) -> int:
        """Scheduled arrivals that have begun."""
        return sum(self.begun_arrivals)

    def note_start(self, arrival: Arrival, due_ns: int) -> None:
        """A scheduled arrival has begun: was the generator in time?"""
        self.begun_arrivals[arrival.segment] += 1
        if self.clock.now() - due_ns > LATE_NS:
            self.late_starts += 1

    def note_connection_failure(self, planned_ns: int, failure: ConnectionFailed) -> None:
        """A connection that was planned for that moment did not open."""
        span = self.timeline.at((planned_ns - self._starts_ns) / 1e9)
        self.connection_failures.count(span.stage.name if span is not None else "", failure)

    def _storm(self, span: StageSpan, starts_ns: int) -> None:
        """Drops a share of the agents within the stage's first moments, evenly."""
        sleep_until(self.clock.origin_ns + starts_ns)
        agents = list(self.agents)
        hit = self.random.sample(agents, round(len(agents) * span.stage.reconnect))
        within_ns = span.stage.reconnect_within_s * 1e9
        for number, agent in enumerate(hit):
            due_ns = starts_ns + int(within_ns * number / len(hit))
            sleep_until(self.clock.origin_ns + due_ns)
            back_at_ns = due_ns + int(self.random.uniform(0, span.stage.return_within_s) * 1e9)
            if span.stage.reconnect_by == "reload":
                agent.reload(back_at_ns)
            else:
                agent.drop(back_at_ns)

    def _keep_alive(self) -> None:
        """Sends a heartbeat on every connection that has been silent for long."""
        while True:
            gevent.sleep(1.0)
            now_ns = self.clock.now()
            for session in [s for s in self.sessions if s.heartbeat_due_ns <= now_ns]:
                self._spawn(session.heartbeat)

    # Ending.

    def drain(self, grace_s: float) -> None:
        """Ends everything: nothing new begins, what is under way has `grace_s` to end, the rest is cut off."""
        self.ending = True
        self._greenlets.kill()
        users: list[Agent | Customer] = [*self.agents, *self.customers]
        for user in users:
            user.leave()
        deadline = gevent.get_hub().loop.now() + grace_s
        while (self.agents or self.customers) and gevent.get_hub().loop.now() < deadline:
            gevent.sleep(0.02)
        self._crowd.kill()
