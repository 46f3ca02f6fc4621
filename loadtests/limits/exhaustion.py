"""Which resource of this host had run out when something failed."""

import errno
import re
import socket
import ssl
from typing import Final

RESOURCES: Final = ("ports", "descriptors", "memory", "threads")
"""What a host can run out of, as `local_errors` of end.json counts it."""

_BY_NUMBER: Final = {
    errno.EADDRNOTAVAIL: "ports",
    errno.EMFILE: "descriptors",
    errno.ENFILE: "descriptors",
    errno.ENOMEM: "memory",
    errno.ENOBUFS: "memory",
}

_BY_TEXT: Final = tuple(
    (resource, re.compile(pattern, re.IGNORECASE))
    for resource, pattern in (
        ("descriptors", r"too many open files|out of file descriptors|errno:? 2[34]\b"),
        ("memory", r"cannot allocate memory|\bout of memory\b|could not map anonymous shared memory"),
        ("threads", r"could not fork|can't (?:start|create) (?:a )?(?:new )?thread|pthread_create|can't save .*: fork"),
        ("ports", r"cannot assign requested address"),
    )
)
"""As servers and the C library word it; the first that is found counts."""


def resource_of(error: BaseException | None) -> str | None:
    """The resource of this host that an error, or what caused it, says had run out; None when it says no such thing."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        if found := _of_one(error):
            return found
        error = error.__cause__ or error.__context__
    return None


def _of_one(error: BaseException) -> str | None:
    if isinstance(error, MemoryError):
        return "memory"
    if isinstance(error, OSError) and not isinstance(error, ssl.SSLError | socket.gaierror):  # numbers of their own
        return _BY_NUMBER.get(error.errno or 0) or resource_in(str(error))
    if isinstance(error, BaseExceptionGroup):
        return next((found for one in error.exceptions if (found := resource_of(one))), None)
    return resource_in(str(error))


def resource_in(line: str) -> str | None:
    """The resource that a line of a server's log, or the text of an error, says had run out."""
    return next((resource for resource, pattern in _BY_TEXT if pattern.search(line)), None)
