"""The cost of locking strategies of one engine: waiting, processor time, orphans."""

from collections.abc import Mapping
from dataclasses import dataclass

from loadtests.storagenames import LOCKINGS, short_names
from reports.findings.study import Findings, StorageFindings

COSTS: Mapping[str, str] = {
    "waited_s": "lock-wait seconds per 1,000 accepts",
    "cpu_s": "CPU-seconds per 1,000 accepts",
    "orphans": "orphans per 1,000 accepts",
}


@dataclass(frozen=True)
class LockCost:
    """Of one storage, per 1,000 accepted chats; None is unknown. `cpu_s` is of pod and database together."""

    storage: str
    accepted: int
    waited_s: float | None
    cpu_s: float | None
    orphans: float | None


def locking(storage: str) -> tuple[str, str] | None:
    """Engine and locking strategy from a storage's name; None where it has no strategy."""
    engine, _, chosen = short_names().get(storage, storage).partition(":")
    return (engine, chosen) if chosen in LOCKINGS else None


def differing(findings: Findings) -> list[StorageFindings]:
    """Storages of engines with several locking strategies, by engine, the strictest first."""
    lockings = {s.storage: found for s in findings.storages if (found := locking(s.storage)) is not None}
    engines = list(dict.fromkeys(engine for engine, _ in lockings.values()))
    several = [e for e in engines if len({lock for engine, lock in lockings.values() if engine == e}) > 1]
    selected = [s for s in findings.storages if s.storage in lockings and lockings[s.storage][0] in several]
    return sorted(
        selected, key=lambda s: (engines.index(lockings[s.storage][0]), LOCKINGS.index(lockings[s.storage][1]))
    )


def lock_costs(findings: Findings) -> list[LockCost]:
    return [_cost(storage) for storage in differing(findings)]


def _cost(storage: StorageFindings) -> LockCost:
    accept = storage.measures.get("chat.accept")
    judged = accept.outcomes["ok"] if accept else 0
    ever = sum(stage.outcomes["ok"] for stage in accept.stages) if accept else 0
    waited = None if storage.waits.known is None else storage.waits.total_s
    spent = storage.usage.judged_cpu_s
    cpu = spent["pod"] + spent.get("database", 0.0) if "pod" in spent else None
    orphans = None if storage.orphans is None else storage.orphans + storage.swept
    return LockCost(
        storage.storage, judged, _per_1000(waited, judged), _per_1000(cpu, judged), _per_1000(orphans, ever)
    )


def _per_1000(amount: float | None, accepted: int) -> float | None:
    return None if amount is None or not accepted else amount / accepted * 1000
