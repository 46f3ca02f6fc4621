"""Attribution as a sentence: "Of the 412 ms that p99 of subscribing took on postgres, 338 ms was a queue …"."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

from reports.findings.causes import CLIENT_BACKLOG, CauseFindings, Pair, Split
from reports.findings.pooling import summed_by
from reports.findings.study import StorageFindings
from reports.text.phrases import behind, database_words, lock_of, queue
from reports.text.plain_names import operation_words
from reports.text.wording import duration, listed

_PERCENTILES = ("p99", "p95", "p50")
"""From the most informative."""
_CAUSE = 0.5
"""Share of a figure from which on locks are its cause."""
_MATTERS = 0.1
"""Share of a figure below which a cause is left out, except the largest one."""
_ONE = 0.8
"""Share of the lock time from which on one holder and object stand for all of it."""
_SEEN = 0.01
"""Share below which a part is left out of a sum."""
_SAME = 1.05
"""Bounds this near to a figure are left out."""

K = TypeVar("K")

_WORDS = {
    CLIENT_BACKLOG: "was client backlog (its user was still in an earlier call)",
    "session": "was spent waiting for a free session of the pod's pool",
    "database": "was database work",
    "pod": "was the pod's own work",
    "rest": "was the network and the pod's socket",
}
_PLACES = {
    "lock": "in its own transactions",
    CLIENT_BACKLOG: "in its user's earlier calls",
    "session": "while it waited for a session of the pool",
}
"""Where the lock-related time was spent."""
_FOLDED = "was the pod, its queues and the network"
"""Older pods do not record when they read a request and asked for a session: that time is part of the rest."""


@dataclass(frozen=True)
class SplitFigure:
    """One figure of one operation, and where its time went."""

    operation: str
    name: str
    split: Split

    @property
    def lock_ns(self) -> float:
        """All lock-related time: its own waits, those of its user's earlier calls, of the sessions it waited for."""
        return sum(self.split.locked.values()) or self.split.parts["lock"]

    @property
    def locked(self) -> bool:
        """Whether locks are its cause."""
        return self.lock_ns >= _CAUSE * self.split.value_ns


def sentence(storage: StorageFindings) -> str:
    """The figure with the most lock time, where locks are its cause; else the slowest figure with its causes; else the
    reason why causes are unknown."""
    found = figures_of(storage.causes)
    if not found:
        return f"Where the time went on {storage.label} is unknown: {storage.causes.reason or 'too few operations'}."
    return most_locked(storage) or figure_sentence(storage, max(found, key=lambda f: f.split.value_ns))


def most_locked(storage: StorageFindings) -> str:
    """The sentence of the figure with the most lock time, among those caused by locks; empty without one."""
    found = [figure for figure in figures_of(storage.causes) if figure.locked]
    return figure_sentence(storage, max(found, key=lambda f: f.lock_ns)) if found else ""


def sentence_of(storage: StorageFindings, operation: str, name: str) -> str:
    """The sentence of one figure; empty where it is not split."""
    split = storage.causes.splits.get(operation, {}).get(name)
    return "" if split is None else figure_sentence(storage, SplitFigure(operation, name, split))


def locked_at(storage: StorageFindings, operation: str, name: str) -> bool:
    """Whether locks are the cause of that figure, as far as it is known."""
    split = storage.causes.splits.get(operation, {}).get(name)
    return split is not None and SplitFigure(operation, name, split).locked


def figures_of(causes: CauseFindings) -> list[SplitFigure]:
    """Of each operation the rarest percentile that is split, else its mean."""
    found = []
    for operation, splits in causes.splits.items():
        name = next((name for name in (*_PERCENTILES, "mean") if name in splits), None)
        if name is not None:
            found.append(SplitFigure(operation, name, splits[name]))
    return found


def figure_sentence(storage: StorageFindings, figure: SplitFigure) -> str:
    """Its causes, which are parts of the figure; then, as a part of the lock time, its largest holder or lock."""
    split = figure.split
    or_more = " or more" if split.at_least else ""
    name = "the mean" if figure.name == "mean" else figure.name
    parts = [_queue(figure)] if figure.locked else list(_parts(storage, split))
    known = f" ({_known(storage)})" if figure.lock_ns >= _MATTERS * split.value_ns or not figure.lock_ns else ""
    took = f"{_time(split.value_ns)}{or_more}"
    operation = operation_words(figure.operation)
    text = f"Of the {took} that {name} of {operation} took on {storage.label}, {listed(parts)}{known}."
    return f"{text}{_largest_part(split, _locks_stated(figure))}"


def _locks_stated(figure: SplitFigure) -> Mapping[Pair, float]:
    """All lock-related time, where it is the cause; its own lock waits, where they are one cause of several."""
    split = figure.split
    if figure.locked:
        return split.locked
    return split.locks if split.parts["lock"] >= _MATTERS * split.value_ns else {}


def _parts(storage: StorageFindings, split: Split) -> Iterator[str]:
    """The causes that matter, the largest first, and what is left of the figure."""
    ranked = sorted(split.parts, key=lambda cause: -split.parts[cause])
    shown = [cause for place, cause in enumerate(ranked) if not place or _matters(split, split.parts[cause])]
    for cause in shown:
        ns = split.parts[cause]
        yield _locked(split, split.locks) if cause == "lock" else f"{_time(ns)} {_words(storage, cause, ns)}"
    left = split.value_ns - sum(split.parts[cause] for cause in shown)
    if left >= _SEEN * split.value_ns:
        yield f"{_time(left)} had other causes"


def _matters(split: Split, ns: float) -> bool:
    return ns >= _MATTERS * split.value_ns


def _time(ns: float) -> str:
    return duration(ns / 1e9)


def _words(storage: StorageFindings, cause: str, part_ns: float) -> str:
    if cause == "rest" and storage.causes.reason:
        return _FOLDED
    text = database_words(storage.counted, part_ns) if cause == "database" else ""
    return text or _WORDS[cause]


def _queue(figure: SplitFigure) -> str:
    """The lock queue, and where its time was spent, unless that was in its own transactions alone."""
    split, whole = figure.split, _locked(figure.split, figure.split.locked)
    spent = {"lock": split.parts["lock"], **{cause: sum(pairs.values()) for cause, pairs in split.through.items()}}
    ranked = sorted(spent, key=lambda cause: -spent[cause])
    where = [cause for cause in ranked if spent[cause] >= _SEEN * figure.lock_ns]
    if len(where) > 1:
        return f"{whole}: {listed([f'{_time(spent[cause])} {_PLACES[cause]}' for cause in where])}"
    return f"{whole}, all of it {_PLACES[where[0]]}" if where and where[0] != "lock" else whole


def _locked(split: Split, locks: Mapping[Pair, float]) -> str:
    """Lock time with its holder and lock, or with the lock alone, where one of them stands for nearly all of it.
    `locks` are its own lock waits, or all lock-related time."""
    lock_ns = _lock_ns(split, locks)
    bounds = _bounds(split) if lock_ns <= split.parts["lock"] * _SAME else ""
    whole = f"{_about(split)}{_time(lock_ns)}{bounds}"
    pair, lock = _one(locks, lock_ns), _one(summed_by(locks, 1), lock_ns)
    if pair is not None:
        return f"{whole} was {queue(operation_words(pair[0]), pair[1])}"
    return f"{whole} was {'spent waiting for locks' if lock is None else f'a queue on {lock_of(lock)}'}"


def _largest_part(split: Split, locks: Mapping[Pair, float]) -> str:
    """A sentence about the largest holder of one lock, or the largest queue of several; empty where one is all."""
    lock_ns, holders = _lock_ns(split, locks), summed_by(locks, 0)
    if not locks or _one(locks, lock_ns) is not None:
        return ""
    if _one(summed_by(locks, 1), lock_ns) is None:
        holder, on = pair = _largest(locks)
        ns, words = locks[pair], queue(operation_words(holder), on)
    else:
        holder = _largest(holders)
        ns, words = holders[holder], behind(operation_words(holder))
    part = f"{_about(split)}{_time(ns)} of these {_time(lock_ns)}"
    return f" {part[0].upper()}{part[1:]}, the largest part, was {words}."


def _lock_ns(split: Split, locks: Mapping[Pair, float]) -> float:
    return max(sum(locks.values()), split.parts["lock"])


def _one(times: Mapping[K, float], whole: float) -> K | None:
    """The key that stands for nearly all of the time."""
    return next((key for key, ns in times.items() if ns >= _ONE * whole), None)


def _largest(times: Mapping[K, float]) -> K:
    return max(times, key=lambda key: times[key])


def _about(split: Split) -> str:
    return "about " if _bounds(split) else ""


def _bounds(split: Split) -> str:
    """The interval of the sampled lock time, where it is wide enough to be stated."""
    if split.bounds is None or split.bounds[1] <= _SAME * split.parts["lock"]:
        return ""
    return f" ({_time(split.bounds[0])} … {_time(split.bounds[1])})"


def _known(storage: StorageFindings) -> str:
    """How lock waits are known, and from what length on they were timed."""
    known, threshold_s = storage.waits.known, storage.durations.threshold_s
    if known == "event and sampled" and threshold_s:
        how = " in part, all others" if storage.durations.in_part else ", shorter ones"
        return f"waits above {duration(threshold_s)} timed by the server{how} sampled"
    return f"lock waits known: {known}"
