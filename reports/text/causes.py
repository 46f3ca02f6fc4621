"""Why a figure is what it is, in a few words for the headline and in a sentence for the bullet."""

from collections.abc import Mapping

from reports.data.contract import NO_HOLDER, UNNAMED
from reports.findings.causes import Split
from reports.findings.study import StorageFindings
from reports.text.phrases import behind, lock_of
from reports.text.plain_names import cut, operation_words
from reports.text.ranking import Entry
from reports.text.sentence import SplitFigure, locked_at, most_locked, sentence_of
from reports.text.wording import digits, duration

_MOST = 0.5
"""Share from which on something is the cause."""
_LITTLE = 0.05
"""Share of the waiting below which locks or a backlog are left out."""
_PARTS = {
    "held back": "waiting for the user's earlier calls",
    "session": "waiting for a pooled session",
    "database": "database work",
    "pod": "the pod's own work",
    "rest": "network",
}


def cause_words(entry: Entry, figure: str) -> str:
    """`77% is a lock queue behind subscribing`; empty where no single cause is most of the figure."""
    split = entry.system.causes.splits.get(entry.measure.name, {}).get(figure)
    if split is None:
        return _whole_waiting(entry)
    found = SplitFigure(entry.measure.name, figure, split)
    if found.locked:
        return f"{min(found.lock_ns / split.value_ns, 1):.0%} is {_queue(split)}"
    cause = max(split.parts, key=lambda name: split.parts[name])
    share = split.parts[cause] / split.value_ns
    return f"{min(share, 1):.0%} is {_PARTS[cause]}" if share >= _MOST and cause in _PARTS else ""


def _queue(split: Split) -> str:
    """The lock queue with its holder or, where it has several, with the object of the lock."""
    locks = split.locked
    whole = sum(locks.values())
    holder, held = _most(locks, 0)
    if holder not in (NO_HOLDER, UNNAMED) and held >= _MOST * whole > 0:
        return f"a lock queue behind {_cut_words(holder)}"
    lock, on = _most(locks, 1)
    return f"a queue for {_cut_words(lock_of(lock))}" if lock != UNNAMED and on >= _MOST * whole > 0 else "lock queues"


def _most(locks: Mapping[tuple[str, str], float], place: int) -> tuple[str, float]:
    """The holder (0) or the object (1) with the most time, and that time."""
    totals: dict[str, float] = {}
    for pair, ns in locks.items():
        totals[pair[place]] = totals.get(pair[place], 0.0) + ns
    return max(totals.items(), key=lambda one: one[1], default=(UNNAMED, 0.0))


def _cut_words(name: str) -> str:
    """A foreign name may be a statement: at most four words of it."""
    return cut(" ".join(operation_words(name).split()[:4]))


def _whole_waiting(entry: Entry) -> str:
    """By the waiting of all its attempts, where the figure itself has no split."""
    waits, measure = entry.system.waits, entry.measure
    if not measure.waited_s:
        return ""
    backlog = measure.client_backlog_s / measure.waited_s
    if waits.known is None or waits.of(measure.name) < _MOST * measure.waited_s:
        return f"{min(backlog, 1):.0%} is waiting for the user's earlier calls" if backlog >= _MOST else ""
    share = waits.of(measure.name) / measure.waited_s
    holder, held = waits.behind(measure.name)[0]
    named = holder not in (NO_HOLDER, UNNAMED) and held >= _MOST * waits.of(measure.name)
    return f"{min(share, 1):.0%} is {f'a lock queue behind {_cut_words(holder)}' if named else 'lock queues'}"


def cause_sentence(entry: Entry, figure: str) -> str:
    """The attribution of that figure and, where locks are not its cause, of the figure with the most lock time."""
    storage, operation = entry.system, entry.measure.name
    found = sentence_of(storage, operation, figure)
    if not found:
        return _reason(entry)
    return found if locked_at(storage, operation, figure) else f"{found} {most_locked(storage)}".strip()


def _reason(entry: Entry) -> str:
    """From the waiting of all attempts, where transactions do not show where the time of a figure went."""
    waits, measure = entry.system.waits, entry.measure
    if waits.known is None:
        return f"What {entry.label} waited for was not observed."
    seconds = waits.of(measure.name)
    share = seconds / measure.waited_s if measure.waited_s else 0.0
    name = operation_words(measure.name)
    if share < _LITTLE:
        text = f"Locks are {share:.1%} of the waiting of {name} on {entry.label} (known: {waits.known})."
    else:
        holder, held = waits.behind(measure.name)[0]
        text = (
            f"Locks are {min(share, 1):.0%} of the waiting of {name} on {entry.label} ({duration(seconds)}, known: "
            f"{waits.known}), {held / seconds:.0%} of it {behind(operation_words(holder))}."
        )
    return text if share >= _MOST else f"{text} {_client_backlog(entry)}{_meanwhile(entry.system)}"


def _client_backlog(entry: Entry) -> str:
    measure = entry.measure
    share = measure.client_backlog_s / measure.waited_s if measure.waited_s else 0.0
    return f"{share:.0%} was client backlog (their users were still in an earlier call). " if share >= _LITTLE else ""


def _meanwhile(storage: StorageFindings) -> str:
    """Where requests mostly wait for something else, such as a queue: how many sessions waited for locks."""
    pairs = storage.waits.seconds
    mean = sum(pairs.values()) / storage.judged_s if storage.judged_s else 0.0
    if mean < _LITTLE:
        return "The rest was queues and work; hardly any session waited for a lock."
    waiter, holder = max(pairs, key=lambda pair: pairs[pair])
    busy = storage.sessions.judged
    at_work = digits(sum(busy.values()))
    waiting_sessions = f"{digits(busy['lock'])} of {at_work} busy sessions" if busy else f"{digits(mean)} sessions"
    return (
        f"The rest was queues and work, while on average {waiting_sessions} waited for locks, "
        f"most of all {operation_words(waiter)} {behind(operation_words(holder))}."
    )
