"""A synthetic outage: five pods on a dual storage, two of them moved to a storage that locks itself up, the trouble
spreading to pods without an action, locks taken away, a roll-back. For tests and for manual inspection."""

from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

from studies import NS, PROMISES, Op, action, healthy_ledger, healthy_ticks, ledger_check, lock_wait, session, write_run

from loadtests.records.rundirectory import RunDirectory

PODS = ("canary", "17", "18", "19", "20")
STAGES: tuple[dict[str, Any], ...] = tuple(
    {"name": name, "starts_s": starts, "duration_s": lasts, "agents": 40, "arrivals_per_s": 50.0, "judge": judge}
    for name, starts, lasts, judge in (
        ("warm-up", 0.0, 4.0, False),
        ("before", 4.0, 8.0, True),
        ("dwell", 12.0, 8.0, True),
        ("upgrade", 20.0, 14.0, True),
        ("unlocked", 34.0, 10.0, True),
        ("roll-back", 44.0, 10.0, True),
        ("after", 54.0, 6.0, True),
    )
)
ENDS_S = 60.0
MOVED = ("17", "18")
_HURT = {"17": (23.0, 47.0), "18": (23.0, 47.0), "canary": (29.0, 46.0), "19": (29.0, 46.0)}

TIMELINE = (
    action(12.0, "move canary to dual writing (100 %)", lasts_s=0.6, pods=["canary"], databases=["upgraded"]),
    action(20.0, "move 17 and 18 to dual writing (100 %)", lasts_s=1.4, pods=MOVED, databases=["upgraded"]),
    action(
        30.0, "give the upgraded database 4 cores", do="scale", lasts_s=0.3, databases=["upgraded"], result="failed",
        error="the host has 2 cores",
    ),
    action(34.0, "take the locks away", do="unlock", lasts_s=0.2, databases=["upgraded"]),
    action(42.0, "sweep orphans", do="sweep", lasts_s=0.5, databases=["upgraded"], found={"swept": 37}),
    action(44.0, "roll 17, 18 and canary back to legacy", do="migrate", lasts_s=8.0, pods=["17", "18", "canary"]),
)  # fmt: skip


def write_outage(
    study: Path, name: str = "01-dual-postgres-mariadb", *, seed: int = 1, round: int = 1, **more: Any
) -> RunDirectory:
    """One run of it: some 8,000 operations."""
    random = Random(seed)
    stages = [
        (round_ns(s["starts_s"]), round_ns(s["starts_s"] + s["duration_s"]), "stage", s["name"], "ok", _detail(s))
        for s in STAGES
    ]
    engine = {"name": "dual", "version": "1", "settings": {"second_write": "count"}, "promises": dict(PROMISES)}
    ledger = {**healthy_ledger(), "checks": [*_ledger()], "databases": {"legacy": {}, "upgraded": {}}}
    return write_run(
        study,
        name,
        operations=list(_operations(random)),
        workers=2,
        pods=PODS,
        manifest={
            "storage": "dual(postgres,mariadb)", "stages": [dict(s) for s in STAGES], "engine": engine, "round": round,
        },
        end={"ended_ns": round_ns(ENDS_S)},
        ledger=ledger,
        timeline=sorted([*stages, *TIMELINE]),
        tables={
            "lock_waits": list(_waits(random)),
            "sessions": list(_sessions(random)),
            "resources": list(_resources(random)),
            "ticks": [t for d in ("legacy", "upgraded") for t in healthy_ticks(d, until_s=ENDS_S)],
        },
        **more,
    )  # fmt: skip


def round_ns(seconds: float) -> int:
    return round(seconds * NS)


def _detail(stage: dict[str, Any]) -> str:
    return f'{{"agents": 40, "arrivals_per_s": 50.0, "judge": {str(stage["judge"]).lower()}}}'


def _operations(random: Random) -> Iterator[Op]:
    number = 0
    for place, pod in enumerate(PODS):
        for tick in range(int(ENDS_S * 9)):
            at = tick / 9 + random.random() / 9
            hurt = pod in _HURT and _HURT[pod][0] <= at < _HURT[pod][1]
            for operation in ("connection.create", "subscription.create", "chat.accept"):
                number += 1
                yield _operation(random, operation, at, hurt, pod=place, key=number)


def _operation(random: Random, operation: str, at: float, hurt: bool, **who: int) -> Op:
    if not hurt:
        return Op(operation, at, 0.012 * random.lognormvariate(0, 0.5), **who)
    if operation == "connection.create" and random.random() < 0.5:
        return Op(operation, at, 0.05, outcome="fail", error="connect_refused", **who)
    if random.random() < 0.3:
        return Op(operation, at, 5.0, outcome="unknown", error="timeout", **who)
    return Op(operation, at, 1.2 * random.lognormvariate(0, 0.6), **who)


def _waits(random: Random) -> Iterator[dict[str, Any]]:
    for number in range(700):
        at = 22 + 26 * random.random()
        lasts = 0.8 if at < 34 else 0.05
        who = {"waiter_operation": random.choice(("subscription.create", "connection.create", "chat.accept"))}
        held = {"root_operation": random.choice(("connection.close", "subscription.create"))}
        yield lock_wait(at, lasts, wait=number, database="upgraded", pod=random.choice(MOVED), **who, **held)
    for number in range(120):
        yield lock_wait(60 * random.random(), 0.01, wait=1000 + number, database="legacy", pod=random.choice(PODS))


def _sessions(random: Random) -> Iterator[dict[str, Any]]:
    for tick in range(int(ENDS_S * 10)):
        at = tick / 10
        hurt = 22 <= at < 48
        for database, locks in (("legacy", 0), ("upgraded", 14 if hurt else 0)):
            yield session(at, "running", 1 + random.randrange(2), database=database)
            if locks:
                yield session(at, "lock", locks + random.randrange(5), database=database)


def _resources(random: Random) -> Iterator[tuple[Any, ...]]:
    used: dict[tuple[str, str], float] = {}
    for tick in range(int(ENDS_S * 4) + 1):
        at = tick / 4
        unlocked = 34 <= at < 48
        cores = {("pod", pod): 0.12 for pod in PODS} | {("generator", "locust"): 0.5, ("observer", "observer"): 0.03}
        cores |= {("database", "legacy"): 0.3, ("database", "upgraded"): 1.7 if unlocked else 0.9 if at >= 20 else 0.1}
        for process, share in cores.items():
            used[process] = used.get(process, 0.0) + share * (0.8 + 0.4 * random.random()) / 4
            yield (round_ns(at), *process, round_ns(used[process]), 90 << 20)


def _ledger() -> Iterator[dict[str, Any]]:
    yield ledger_check("orphans", "fail", 12, "subscriptions without a live connection")
    yield ledger_check("lost_accepts", "pass", 0)
    yield ledger_check("diverged", "fail", 5, "the two sides do not hold the same")
    yield ledger_check("lost_pushes", "unknown", None, "the upgraded side could not be read", known="")
