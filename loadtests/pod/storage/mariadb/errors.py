"""What an error of MariaDB or of the way to it means, as a pure function."""

from asyncmy import errors

from loadtests.pod.storage.contract import OutcomeUnknown, StorageConflict, StorageError, StorageUnavailable
from loadtests.pod.storage.sql.driver import OvertakenError, TryAgainError
from loadtests.sanitize import sanitize

_LONGEST_REASON = 240

DRIVER_ERRORS = (OSError, errors.MySQLError)
"""Everything that asyncmy raises."""

_LOST_TO_OTHERS: dict[int, tuple[str, type[StorageError]]] = {
    1213: ("deadlock", TryAgainError),
    1020: ("conflict", TryAgainError),  # changed since the transaction's snapshot
    1062: ("conflict", TryAgainError),  # duplicate key
    1412: ("conflict", TryAgainError),  # a table was changed since the transaction's snapshot
    1205: ("lock_timeout", StorageConflict),  # of a row, or of a table that is being changed
}

_CUT_OFF = frozenset(
    {
        1053,  # the server is shutting down
        1317,  # the statement was interrupted
        1927,  # the session was killed
        1969,  # max_statement_time
        2003,  # cannot connect
        2006,  # gone away
        2013,  # lost during a statement
        2014,  # out of step
        2055,  # lost, with a reason
        4031,  # ended for its inactivity
    }
)
"""The server or the way to it went away in mid-transaction, or it would not take longer over it."""

_NO_ROOM = frozenset({1021, 1026, 1030, 1037, 1038, 1040, 1041, 1114, 1203, 1226})
"""Disk, memory, connections."""

_INTEGRITY = frozenset({1048, 1216, 1217, 1406, 1451, 1452, 4025})
"""A value that the schema refuses: null, too long, without its parent, against a check."""


def classify(error: BaseException, committing: bool) -> tuple[str, StorageError | None]:
    """The transaction's outcome, and what its caller gets instead of `error`; None: `error` itself."""
    if isinstance(error, OvertakenError):
        return "conflict", error
    code = code_of(error)
    if code in _LOST_TO_OTHERS:
        outcome, meaning = _LOST_TO_OTHERS[code]
        return outcome, meaning(f"MariaDB: {reason(error)}")
    cut_off = code in _CUT_OFF or is_out_of_step(error)
    if committing and (cut_off or not isinstance(error, Exception)):
        return "unknown", OutcomeUnknown(f"MariaDB was cut off during a commit: {reason(error)}")
    if cut_off or code in _NO_ROOM:
        return "rolled_back", StorageUnavailable(f"MariaDB: {reason(error)}")
    if code in _INTEGRITY:
        return "rolled_back", StorageError(f"MariaDB does not take it: {reason(error)}")
    return "rolled_back", None


def code_of(error: BaseException) -> int | None:
    """The number of an error of the server (from 1000 on) or of the driver (2000 to 2999)."""
    code = error.args[0] if isinstance(error, errors.MySQLError) and error.args else None
    return code if isinstance(code, int) and code >= 1000 else None


def is_answer(error: BaseException) -> bool:
    """Whether the server itself answered with this error, so that the conversation goes on from there."""
    code = code_of(error)
    return code is not None and not 2000 <= code < 3000


def is_out_of_step(error: BaseException) -> bool:
    """Whether the conversation broke off in a way that has no number: a socket's error, a packet that makes no sense,
    a session that was closed."""
    return isinstance(error, DRIVER_ERRORS) and code_of(error) is None


def reason(error: BaseException) -> str:
    """One line for users: the server's message, with its number."""
    code = code_of(error)
    text = str(error.args[-1]) if isinstance(error, errors.MySQLError) and error.args else str(error)
    line = sanitize((text.splitlines() or [type(error).__name__])[0], _LONGEST_REASON)
    return line if code is None else f"{line} ({code})"
