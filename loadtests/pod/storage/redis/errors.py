"""What an error of Redis or of the way to it means, as a pure function."""

from redis import exceptions

from loadtests.pod.storage.contract import OutcomeUnknown, StorageError, StorageUnavailable
from loadtests.sanitize import sanitize_error

DRIVER_ERRORS = (OSError, exceptions.RedisError)
"""Everything that redis-py raises."""

_REFUSED_SERVICE: tuple[type[BaseException], ...] = (
    exceptions.BusyLoadingError,
    exceptions.AuthenticationError,
    exceptions.AuthorizationError,
    exceptions.NoPermissionError,
    exceptions.OutOfMemoryError,
    exceptions.ReadOnlyError,
    exceptions.ClusterError,
    exceptions.MovedError,
)
"""The server's own answer: it did not run the script. Some of them are ConnectionErrors to redis-py."""

_REFUSED_WORDS = ("MISCONF", "BUSY", "NOREPLICAS", "max number of clients reached")
"""How such answers begin that have no class of their own."""


def classify(error: BaseException, sent: bool) -> tuple[str, StorageError | None]:
    """The transaction's outcome, and what its caller gets instead of `error`; None: `error` itself.

    `sent`: the script was on its way, so that without an answer it may have run.
    """
    if isinstance(error, _REFUSED_SERVICE) or str(error).startswith(_REFUSED_WORDS):
        return "rolled_back", StorageUnavailable(f"Redis: {reason(error)}")
    if isinstance(error, exceptions.ResponseError):
        return "rolled_back", None
    if sent and (isinstance(error, DRIVER_ERRORS) or not isinstance(error, Exception)):
        return "unknown", OutcomeUnknown(f"Redis was cut off before it answered: {reason(error)}")
    if isinstance(error, DRIVER_ERRORS):
        return "rolled_back", StorageUnavailable(f"Redis cannot be reached: {reason(error)}")
    return "rolled_back", None


def reason(error: BaseException) -> str:
    """One line for users: the error's first line, or its class where it has no text."""
    return sanitize_error(error)
