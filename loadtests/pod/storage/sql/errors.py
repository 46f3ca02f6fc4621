"""What ends a transaction that may well succeed the next time, whatever the engine."""

from loadtests.pod.storage.contract import StorageError


class TryAgainError(StorageError):
    """The transaction came to nothing because of another one: worth trying again."""


class OvertakenError(TryAgainError):
    """What had been read no longer held when it was written: a strategy's own conflict."""


def reason(error: BaseException) -> str:
    """One line for people: the error's first line, or its kind when it says nothing."""
    lines = str(error).splitlines()
    return lines[0] if lines else type(error).__name__
