"""The rules of the domain that every SQL storage follows, as pure functions of the rows that it read.

None means: go ahead. Anything else is the answer, and nothing is to be changed.
"""

import hashlib
from dataclasses import dataclass

from loadtests.pod.storage.contract import Accepted, AlreadyAccepted, Done, StorageRefusal


@dataclass(frozen=True, slots=True)
class Speaker:
    """The open connection that asks. `version` is 0 where the storage has no use for it."""

    connection: str
    role: str
    name: str
    version: int = 0


@dataclass(frozen=True, slots=True)
class ChatState:
    """A chat as it was read; `sent`: whether the message is stored in it already."""

    state: str
    offered_by: str
    accepted_by: str | None
    winner: str | None
    sent: bool = False
    version: int = 0


def on_accept(speaker: Speaker | None, chat: ChatState | None) -> Accepted | AlreadyAccepted | StorageRefusal | None:
    """Only agents accept; to accept one's own chat again is harmless."""
    if speaker is None:
        return StorageRefusal.NO_SUCH_CONNECTION
    if speaker.role != "agent":
        return StorageRefusal.FORBIDDEN
    if chat is None:
        return StorageRefusal.NO_SUCH_CHAT
    if chat.state == "closed":
        return StorageRefusal.CHAT_CLOSED
    if chat.state == "offered":
        return None
    return Accepted() if chat.accepted_by == speaker.connection else AlreadyAccepted(chat.winner or "")


def on_message(speaker: Speaker | None, chat: ChatState | None) -> Done | StorageRefusal | None:
    """A message that is stored already stays, even when the chat was closed since."""
    if refusal := _may_take_part(speaker, chat):
        return refusal
    assert chat is not None
    if chat.sent:
        return Done()
    return StorageRefusal.CHAT_CLOSED if chat.state == "closed" else None


def on_close_chat(speaker: Speaker | None, chat: ChatState | None) -> Done | StorageRefusal | None:
    if refusal := _may_take_part(speaker, chat):
        return refusal
    assert chat is not None
    return Done() if chat.state == "closed" else None


def on_subscribe(taken: int, limit: int) -> StorageRefusal | None:
    return StorageRefusal.TOO_MANY_SUBSCRIPTIONS if taken >= limit else None


def _may_take_part(speaker: Speaker | None, chat: ChatState | None) -> StorageRefusal | None:
    """Agents speak in every chat of their account (a colleague may step in), customers in their own."""
    if speaker is None:
        return StorageRefusal.NO_SUCH_CONNECTION
    if chat is None:
        return StorageRefusal.NO_SUCH_CHAT
    mine = speaker.role == "agent" or chat.offered_by == speaker.connection
    return None if mine else StorageRefusal.FORBIDDEN


def token_digest(token: str) -> str:
    """What is stored of a resume token: readers of the database cannot resume its connections."""
    return hashlib.sha256(token.encode()).hexdigest()
