"""Why a figure is what it is, in a few words for the headline and in a sentence for the bullet."""

from collections.abc import Mapping

from reports.data.contract import NO_HOLDER, UNNAMED
from reports.findings.causes import Split
from reports.findings.pooling import summed_by
from reports.findings.study import StorageFindings
from reports.text.phrases import behind, lock_of
from reports.text.plain_names import cut, operation_words, waiter_words
from reports.text.ranking import Entry
from reports.text.sentence import SplitFigure, locked_at, most_locked, sentence_of
from reports.text.wording import digits, duration, listed

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


def causes(entry: Entry, figure: str) -> tuple[str, str]:
    """The cause of most of the figure, as a part of it: `77% of it a lock queue behind subscribing`; where the figure
    has no split, the cause of most of the waiting of all attempts. Empty where no single cause is most of it."""
    split = entry.system.causes.splits.get(entry.measure.name, {}).get(figure)
    if split is None:
        return "", _whole_waiting(entry)
    found = SplitFigure(entry.measure.name, figure, split)
    if found.locked:
        return f"{min(found.lock_ns / split.value_ns, 1):.0%} of it {_queue(split)}", ""
    cause = max(split.parts, key=lambda name: split.parts[name])
    share = split.parts[cause] / split.value_ns
    return (f"{min(share, 1):.0%} of it {_PARTS[cause]}" if share >= _MOST and cause in _PARTS else ""), ""


def _queue(split: Split) -> str:
    """The lock queue with its holder or, where it has several, with the object of the lock."""
    if queue := _lock_queue(_most(summed_by(split.locked, 0))):
        return queue
    lock = _most(summed_by(split.locked, 1))
    return f"waiting for {_cut_words(lock_of(lock))}" if lock not in ("", UNNAMED) else "waiting for locks"


def _lock_queue(holder: str) -> str:
    """Empty without a named holder."""
    return f"a lock queue behind {_cut_words(holder)}" if holder not in ("", NO_HOLDER, UNNAMED) else ""


def _most(times: Mapping[str, float]) -> str:
    """The name with most of the time; empty without one."""
    whole = sum(times.values())
    return next((name for name, spent in times.items() if spent >= _MOST * whole > 0), "")


def _cut_words(name: str) -> str:
    """A foreign name may be a statement: at most four words of it."""
    return cut(" ".join(operation_words(name).split()[:4]))


def _whole_waiting(entry: Entry) -> str:
    """By the waiting of all its attempts."""
    waits, measure = entry.system.waits, entry.measure
    seconds, words = measure.client_backlog_s, "waiting for the user's earlier calls"
    if waits_for_locks(entry):
        holder = _most(dict(waits.behind(measure.name)))
        seconds, words = waits.of(measure.name), _lock_queue(holder) or "waiting for locks"
    share = seconds / measure.waited_s if measure.waited_s else 0.0
    return f"{min(share, 1):.0%} of its time is {words}" if share >= _MOST else ""


def waits_for_locks(entry: Entry, figure: str = "") -> bool:
    """Whether locks are most of the figure or, where it has no split, of the waiting of all attempts."""
    if figure in entry.system.causes.splits.get(entry.measure.name, {}):
        return locked_at(entry.system, entry.measure.name, figure)
    own_s = entry.system.waits.of(entry.measure.name)
    return entry.system.waits.known is not None and own_s >= _MOST * entry.measure.waited_s > 0


def cause_sentence(entry: Entry, figure: str) -> str:
    """The attribution of that figure and, where locks are not its cause, of the figure with the most lock time."""
    storage, operation = entry.system, entry.measure.name
    found = sentence_of(storage, operation, figure)
    if not found:
        return _reason(entry)
    return found if locked_at(storage, operation, figure) else f"{found} {most_locked(storage)}".strip()


def _reason(entry: Entry) -> str:
    """From the time of all attempts, where transactions do not show where the time of a figure went."""
    waits, measure = entry.system.waits, entry.measure
    if waits.known is None:
        return f"What {entry.label} waited for was not observed."
    whole_s = measure.waited_s or 1.0
    locked, backlog = waits.of(measure.name) / whole_s, measure.client_backlog_s / whole_s
    parts = [f"{_own_locks(entry, locked)} (known: {waits.known})"]
    if backlog >= _LITTLE:
        parts.append(f"{backlog:.0%} was client backlog (its user was still in an earlier call)")
    text = f"Of all the time of {operation_words(measure.name)} on {entry.label}, {listed(parts)}"
    return f"{text}." if locked >= _MOST else f"{text}; the rest was queues and work. {_meanwhile(entry.system)}"


def _own_locks(entry: Entry, share: float) -> str:
    text = f"{min(share, 1):{'.1%' if share < _LITTLE else '.0%'}} was waiting for locks in its own transactions"
    if share < _LITTLE:
        return text
    waits, name = entry.system.waits, entry.measure.name
    seconds, (holder, held) = waits.of(name), waits.behind(name)[0]
    return f"{text} ({duration(seconds)}), {held / seconds:.0%} of that {behind(operation_words(holder))}"


def _meanwhile(storage: StorageFindings) -> str:
    """How many sessions waited for locks, of any operation: requests may mostly wait in a queue for such sessions."""
    pairs = storage.waits.seconds
    mean = sum(pairs.values()) / storage.judged_s if storage.judged_s else 0.0
    if mean < _LITTLE:
        return "Hardly any session of the database waited for a lock."
    waiter, holder = max(pairs, key=lambda pair: pairs[pair])
    busy = storage.sessions.judged
    sessions = f"{digits(busy['lock'])} of {digits(sum(busy.values()))} busy" if busy else digits(mean)
    return (
        f"Of all operations together, on average {sessions} sessions of the database waited for locks, most of all "
        f"{waiter_words(waiter)} {behind(operation_words(holder))}."
    )
