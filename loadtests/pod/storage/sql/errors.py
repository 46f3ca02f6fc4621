"""What ends a transaction that may well succeed the next time, whatever the engine."""

from loadtests.pod.storage.contract import StorageError
from loadtests.sanitize import sanitize_error


class TryAgainError(StorageError):
    """The transaction came to nothing because of another one: worth trying again."""


class OvertakenError(TryAgainError):
    """What had been read no longer held when it was written: a strategy's own conflict."""


def reason(error: BaseException) -> str:
    """One line for people: the error's first line, or its kind when it says nothing."""
    return sanitize_error(error)
