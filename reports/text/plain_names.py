"""Operations and other names in the words of a reader."""

from collections.abc import Iterable

from reports.text.wording import listed, one_line

LONGEST = 40
"""Characters of a foreign name in a sentence."""

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


def operation_words(name: str) -> str:
    """The operation as a reader calls it; other names as they are, cleaned and cut."""
    return OPERATION_WORDS.get(name) or cut(name)


def cut(name: str, longest: int = LONGEST) -> str:
    text = one_line(name)
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def few(names: Iterable[str], most: int = 4) -> str:
    """`17, 18 and 19`; of more than `most` the first ones and how many others."""
    words = [cut(name) for name in names]
    return listed(words if len(words) <= most else [*words[: most - 1], f"{len(words) - most + 1} others"])
