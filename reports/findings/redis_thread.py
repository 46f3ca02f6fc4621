"""How Redis used its one thread, by its own counters."""

from collections.abc import Mapping
from dataclasses import dataclass

from loadtests.engines import is_single_threaded
from reports.data.contract import CounterGrowth

_CARRIERS = frozenset({"eval", "eval_ro", "evalsha", "evalsha_ro", "fcall", "fcall_ro", "exec"})
"""Commands that run other commands, which are counted as well."""


@dataclass(frozen=True)
class CommandUse:
    """`share` of the observed time; `wrong`: calls that were rejected or failed."""

    name: str
    share: float
    calls: int
    mean_s: float
    wrong: int


@dataclass(frozen=True)
class SlowCommand:
    """Single commands that took longer than the server's `slowlog-log-slower-than`, by client."""

    operation: str
    calls: int
    seconds: float
    share: float

    @property
    def mean_s(self) -> float:
        return self.seconds / self.calls if self.calls else 0.0


@dataclass(frozen=True)
class Thread:
    """Time of the thread for commands, as shares of the observed time: lower and upper bound, because commands
    called by scripts count twice. Commands and slow ones are sorted by time. `unread` slow commands have no name."""

    low: float
    high: float
    commands: tuple[CommandUse, ...]
    slow: tuple[SlowCommand, ...]
    unread: int


def thread_of(counted: CounterGrowth) -> Thread | None:
    """None for another engine, and where its counters were not read."""
    seen_us = counted.seen_s * 1e6
    if not is_single_threaded(counted.engine) or not seen_us:
        return None
    commands = [_command(counted, name, us / seen_us) for name, us in _named(counted, "command_us").items()]
    inside = sum(c.share for c in commands if c.name in _CARRIERS)
    others = sum(c.share for c in commands if c.name not in _CARRIERS)
    slow = [
        SlowCommand(name, counted.grown.get(f"slow_calls:{name}", 0), us / 1e6, us / seen_us)
        for name, us in _named(counted, "slow_us").items()
    ]
    return Thread(
        min(max(inside, others), 1.0),
        min(inside + others, 1.0),
        tuple(sorted((c for c in commands if c.calls), key=lambda c: -c.share)),
        tuple(sorted((s for s in slow if s.calls), key=lambda s: -s.seconds)),
        counted.grown.get("slow_calls_unread", 0),
    )


def threads(counted: Mapping[str, CounterGrowth]) -> dict[str, Thread]:
    """By database, of those with one thread that were observed."""
    return {name: thread for name, entry in counted.items() if (thread := thread_of(entry)) is not None}


def _named(counted: CounterGrowth, counter: str) -> dict[str, int]:
    """`command_us:get` → `get`."""
    return {
        name.partition(":")[2]: grown
        for name, grown in counted.grown.items()
        if name.startswith(f"{counter}:") and grown >= 0
    }


def _command(counted: CounterGrowth, name: str, share: float) -> CommandUse:
    calls = counted.grown.get(f"command_calls:{name}", 0)
    wrong = sum(counted.grown.get(f"command_{kind}:{name}", 0) for kind in ("rejected", "failed"))
    return CommandUse(name, share, calls, share * counted.seen_s / calls if calls else 0.0, wrong)
