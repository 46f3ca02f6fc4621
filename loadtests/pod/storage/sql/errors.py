"""Errors of transactions that may succeed when they are retried, for every engine."""

from loadtests.pod.storage.contract import StorageError
from loadtests.sanitize import sanitize_error


class TryAgainError(StorageError):
    """The transaction came to nothing because of another one: worth trying again."""


class OvertakenError(TryAgainError):
    """What had been read no longer held when it was written: a strategy's own conflict."""


def reason(error: BaseException) -> str:
    """One line for users: the error's first line, or its class where it has no text."""
    return sanitize_error(error)
