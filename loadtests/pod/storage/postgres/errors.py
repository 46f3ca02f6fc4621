"""What an error of PostgreSQL or of the way to it means, as a pure function."""

import asyncpg

from loadtests.pod.storage.contract import OutcomeUnknown, StorageConflict, StorageError, StorageUnavailable
from loadtests.pod.storage.sql.driver import OvertakenError, TryAgainError, reason

DRIVER_ERRORS = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
"""Everything that asyncpg raises; the last one when a server dies in the middle of its answer."""

CUT_OFF: tuple[type[BaseException], ...] = (
    OSError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.CannotConnectNowError,
    asyncpg.QueryCanceledError,
    asyncpg.IdleInTransactionSessionTimeoutError,
)
"""The server or the way to it went away in mid-transaction, or it would not take longer over it."""

_LOST_TO_OTHERS: tuple[tuple[tuple[type[BaseException], ...], str, type[StorageError]], ...] = (
    ((asyncpg.DeadlockDetectedError,), "deadlock", TryAgainError),
    (
        (asyncpg.SerializationError, asyncpg.UniqueViolationError, asyncpg.DuplicateObjectError),
        "conflict",
        TryAgainError,
    ),
    ((asyncpg.LockNotAvailableError,), "lock_timeout", StorageConflict),
)


def classify(error: BaseException, committing: bool) -> tuple[str, StorageError | None]:
    """The transaction's outcome, and what its caller gets instead of `error`; None: `error` itself."""
    if isinstance(error, OvertakenError):
        return "conflict", error
    for kinds, outcome, meaning in _LOST_TO_OTHERS:
        if isinstance(error, kinds):
            return outcome, meaning(f"PostgreSQL: {reason(error)}")
    if committing and (isinstance(error, CUT_OFF) or not isinstance(error, Exception)):
        return "unknown", OutcomeUnknown(f"PostgreSQL was cut off during a commit: {reason(error)}")
    if isinstance(error, (*CUT_OFF, asyncpg.InsufficientResourcesError)):
        return "rolled_back", StorageUnavailable(f"PostgreSQL: {reason(error)}")
    if isinstance(error, asyncpg.IntegrityConstraintViolationError):
        return "rolled_back", StorageError(f"PostgreSQL does not take it: {reason(error)}")
    return "rolled_back", None
