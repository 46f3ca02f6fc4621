"""How requests end, why the wire failed, and which failures are this host's own."""

import errno
import os
import socket
import ssl
from time import monotonic_ns
from typing import Final, NamedTuple

from loadtests.protocols.contract import Reply
from loadtests.records.vocabulary import LOCAL_ERRORS
from loadtests.sanitize import sanitize

_CODES: Final = {
    errno.EADDRNOTAVAIL: "local_ports",
    errno.EADDRINUSE: "local_ports",
    errno.EMFILE: "local_descriptors",
    errno.ENFILE: "local_descriptors",
    errno.ENOMEM: "local_memory",
    errno.ENOBUFS: "local_memory",
}
_MAX_DETAIL: Final = 1000
_MAY_HAVE_HAPPENED: Final = frozenset({"timeout", "cut_off"})


def outcome_of(error: str, *, sent: bool) -> str:
    """The outcome of an operation without a reply; `sent`: at least a part of it may have left this host."""
    return "unknown" if error in _MAY_HAVE_HAPPENED or (sent and error in LOCAL_ERRORS) else "fail"


class ConnectionFailed(Exception):
    """A WebSocket did not open. `outcome` and `error` are names of the records' vocabulary: `dns`, `connect_refused`
    and `handshake_rejected` are `fail`; `timeout` and `cut_off` are `unknown`; the local errors are `fail` before
    the HTTP request was sent (`sent`), else `unknown`. `connected` says whether TCP did; `status` is that of the HTTP
    response which refused the upgrade."""

    def __init__(
        self,
        error: str,
        detail: str,
        *,
        connected: bool = True,
        sent: bool = False,
        status: int | None = None,
    ) -> None:
        detail = sanitize(detail, _MAX_DETAIL)
        super().__init__(f"{error}: {detail}")
        self.error = error
        self.outcome = outcome_of(error, sent=sent)
        self.detail = detail
        self.connected = connected
        self.status = status


class DestinationRefused(ConnectionFailed):
    """The name of the host stands for an address that it must not stand for; nothing was sent."""

    def __init__(self, detail: str) -> None:
        super().__init__("dns", detail, connected=False)


def local_error(error: BaseException) -> str | None:
    """The code of an error whose cause is a limit of this host (one of LOCAL_ERRORS); None for any other error."""
    if isinstance(error, MemoryError):
        return "local_memory"
    if isinstance(error, RuntimeError):
        return "local_threads" if "can't start new thread" in str(error) else None
    if isinstance(error, ssl.SSLError):  # its errno is OpenSSL's, not the kernel's
        return "local_memory" if getattr(error, "reason", None) == "MALLOC_FAILURE" else None
    if isinstance(error, socket.gaierror):  # its errno is the resolver's
        return "local_memory" if error.errno == socket.EAI_MEMORY else None
    return _CODES.get(error.errno or 0) if isinstance(error, OSError) else None


def exhausted() -> str | None:
    """The local error that a library may have hidden: `local_descriptors` when no file can be opened now.

    glibc's resolver reports EMFILE as "name not known", OpenSSL as "unknown issuer": neither could open its files.
    """
    try:
        os.close(os.open(os.devnull, os.O_RDONLY))
    except OSError as error:
        return local_error(error)
    return None


class TimedReply(NamedTuple):
    """How a request ended, and when (CLOCK_MONOTONIC): when the reply's bytes reached this host or, without a reply,
    when waiting for it ended."""

    reply: Reply
    ended_ns: int


def no_reply(key: int, error: str, *, sent: bool = True) -> TimedReply:
    """The end of a request without a reply; `sent`: at least a part of it may have left this host."""
    return TimedReply(Reply(key, outcome_of(error, sent=sent), error), monotonic_ns())
