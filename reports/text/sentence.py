"""Attribution as a sentence: "Of the 412 ms that p99 of subscription.create took …, 338 ms was a queue …"."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from reports.findings.causes import CLIENT_BACKLOG, CauseFindings, Pair, Split
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
_SAME = 1.05
"""Bounds this near to a figure are left out."""

_WORDS = {
    CLIENT_BACKLOG: "was client backlog (its user was still in an earlier call)",
    "session": "was spent waiting for a free session of the pod's pool",
    "database": "was database work",
    "pod": "was the pod's own work",
    "rest": "was the network and the pod's socket",
}
_FELT = {
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
    split = figure.split
    or_more = " or more" if split.at_least else ""
    name = "the mean" if figure.name == "mean" else figure.name
    parts = list(_parts(storage, figure))
    known = f" ({_known(storage)})" if figure.lock_ns >= _MATTERS * split.value_ns or not figure.lock_ns else ""
    took = f"{duration(split.value_ns / 1e9)}{or_more}"
    operation = operation_words(figure.operation)
    return f"Of the {took} that {name} of {operation} took on {storage.label}, {listed(parts)}{known}."


def _parts(storage: StorageFindings, figure: SplitFigure) -> Iterator[str]:
    """The causes that matter, the largest first; a lock that matters before all others."""
    split = figure.split
    if figure.locked:
        yield _queue(figure)
        return
    ranked = sorted(split.parts, key=lambda cause: -split.parts[cause])
    for place, cause in enumerate(ranked):
        if place and split.parts[cause] < _MATTERS * split.value_ns:
            continue
        if cause == "lock":
            yield _behind_all(split, split.locks)
        else:
            yield f"{duration(split.parts[cause] / 1e9)} {_words(storage, cause, split.parts[cause])}"


def _words(storage: StorageFindings, cause: str, part_ns: float) -> str:
    if cause == "rest" and storage.causes.reason:
        return _FOLDED
    text = database_words(storage.counted, part_ns) if cause == "database" else ""
    return text or _WORDS[cause]


def _queue(figure: SplitFigure) -> str:
    """The lock queue, and where its time was spent, unless that was in its own transactions alone."""
    split = figure.split
    whole = _behind_all(split, split.locked)
    felt = {"lock": split.parts["lock"], **{cause: sum(pairs.values()) for cause, pairs in split.through.items()}}
    where = [
        f"{duration(ns / 1e9)} {_FELT[cause]}"
        for cause, ns in sorted(felt.items(), key=lambda one: -one[1])
        if ns >= _MATTERS * figure.lock_ns
    ]
    alone = where and felt["lock"] >= (1 - _MATTERS) * figure.lock_ns
    return whole if alone or not where else f"{whole}: {listed(where)}"


def _behind_all(split: Split, locks: Mapping[Pair, float]) -> str:
    """`locks` are its own lock waits, or all lock-related time."""
    lock_ns = max(sum(locks.values()), split.parts["lock"])
    about = "about " if _rough(split) else ""
    bounds = _bounds(split) if about and lock_ns <= split.parts["lock"] * _SAME else ""
    whole = f"{about}{duration(lock_ns / 1e9)}{bounds}"
    if not locks:
        return f"{whole} was spent waiting for locks"
    (holder, on), most = max(locks.items(), key=lambda pair: pair[1])
    if most >= _ONE * lock_ns:
        return f"{whole} was {queue(operation_words(holder), on)}"
    (one_lock, _), holders = _largest(locks, 1), _largest(locks, 0)
    if sum(ns for (_, on), ns in locks.items() if on == one_lock) >= _ONE * lock_ns:
        holder_part = f"{about}{duration(holders[1] / 1e9)} of it {behind(operation_words(holders[0]))}"
        return f"{whole} was a queue on {lock_of(one_lock)}, {holder_part}"
    longest = f"{about}{duration(most / 1e9)} of it in {queue(operation_words(holder), on)}"
    return f"{whole} was spent waiting for locks, {longest}"


def _largest(locks: Mapping[Pair, float], place: int) -> tuple[str, float]:
    """The holder (0) or the object (1) with most time, and that time."""
    totals: dict[str, float] = defaultdict(float)
    for pair, ns in locks.items():
        totals[pair[place]] += ns
    return max(totals.items(), key=lambda one: one[1])


def _rough(split: Split) -> bool:
    """Whether the interval of the sampled lock time is wide enough to be stated."""
    return split.bounds is not None and split.bounds[1] > _SAME * split.parts["lock"]


def _bounds(split: Split) -> str:
    if split.bounds is None:
        return ""
    low, high = split.bounds
    return f" ({duration(low / 1e9)} … {duration(high / 1e9)})"


def _known(storage: StorageFindings) -> str:
    """How lock waits are known, and from what length on they were timed."""
    known, threshold_s = storage.waits.known, storage.durations.threshold_s
    if known == "event and sampled" and threshold_s:
        how = " in part, all others" if storage.durations.in_part else ", shorter ones"
        return f"waits above {duration(threshold_s)} timed by the server{how} sampled"
    return f"lock waits known: {known}"
