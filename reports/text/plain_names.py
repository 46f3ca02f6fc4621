"""Operations and other names in the words of a reader."""

from collections.abc import Iterable

from reports.data.contract import UNNAMED
from reports.findings.operations import FROM_CAUSE, FROM_STAMP
from reports.text.wording import listed, one_line

ACCEPT = "chat.accept"
"""The operation that the page is about, where the workload has it."""
LONGEST = 40
"""Characters of a foreign name in a sentence."""

MOST_WORDS = 25
"""Words of a headline."""

OPERATION_WORDS = {
    "connection.create": "connecting",
    "subscription.create": "subscribing",
    "subscription.delete": "unsubscribing",
    "chat.offer": "offering a chat",
    "chat.accept": "Accept chat",
    "message.send": "sending a message",
    "chat.close": "closing a chat",
    "connection.close": "disconnecting",
    "event.deliver": "delivering a message",
    "chat.answer": "answering a customer",
}
"""As the subject of a sentence."""


def section_of(operation: str) -> str:
    """The section with the operation over time."""
    return "accept-over-time" if operation == ACCEPT else "operations-over-time"


def operation_words(name: str) -> str:
    """The operation as a reader calls it; other names as they are, cleaned and cut."""
    held = name.removeprefix("stuck ")
    if held != name:
        return f"a stuck transaction ({operation_words(held)})"
    return OPERATION_WORDS.get(name) or cut(name)


def waiter_words(name: str) -> str:
    """Who waited, in a sentence."""
    return "sessions without a name" if name == UNNAMED else operation_words(name)


def cut(name: str, longest: int = LONGEST) -> str:
    text = one_line(name)
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def few(names: Iterable[str], most: int = 4) -> str:
    """`17, 18 and 19`; of more than `most` the first ones and how many others."""
    words = [cut(name) for name in names]
    return listed(words if len(words) <= most else [*words[: most - 1], f"{len(words) - most + 1} others"])


def pods(names: Iterable[str]) -> str:
    """`pod 18`, or `pods 17, 19 and canary`: many names are numbers, which need the noun."""
    words = list(names)
    return f"pod{'s' if len(words) > 1 else ''} {few(words)}"


def pod_label(name: str) -> str:
    """The name of a pod where nothing says that it is one: `pod 18`, `canary`."""
    return f"pod {name}" if name.isdecimal() else name


def fit(*variants: str) -> str:
    """The first variant of a headline that is short enough, as a sentence; else the last one, cut."""
    lines = [one_line(variant) for variant in variants]
    for line in lines:
        if len(line.split()) <= MOST_WORDS:
            return sentence(line)
    words = lines[-1].split()[: MOST_WORDS - 1]
    return f"{capital(' '.join(words))} …"


def sentence(text: str) -> str:
    """With a full stop, and a capital unless it begins with a name of a system."""
    return f"{capital(text.strip())}."


def capital(text: str) -> str:
    """An operation or a pod with a capital, as at the beginning of a sentence; labels stay as they are."""
    words = (*OPERATION_WORDS.values(), "pod ", "pods ")
    return f"{text[:1].upper()}{text[1:]}" if text.startswith(words) else text


_NAMES = {FROM_CAUSE: "event.deliver from its cause", FROM_STAMP: "event.deliver from the stamp"}


def title(measure: str) -> str:
    return _NAMES.get(measure, measure)
