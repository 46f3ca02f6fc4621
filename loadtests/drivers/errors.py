"""Why a database cannot be connected to. No message holds a part of a password."""

import os
import socket
import ssl
from collections.abc import Sequence
from typing import Final

from loadtests.drivers.addresses import form_of
from loadtests.drivers.addresses.contract import DatabaseAddress, Place, Tls
from loadtests.sanitize import sanitize
from loadtests.tls import find_tls_error, tls_problem

_LONGEST_MESSAGE: Final = 1000


class DatabaseUnreachable(OSError):
    """A session could not be opened as its address requires; the message says why."""

    def __init__(self, message: str) -> None:
        super().__init__(sanitize(message, _LONGEST_MESSAGE))


class PoolerError(DatabaseUnreachable):
    """The address is that of a proxy that shares the server's sessions among its clients."""

    def __init__(self, place: Place, product: str, server: str) -> None:
        super().__init__(
            f"{place} is not {server} itself but {product}, which lends one session of the server to many clients: "
            f"name the host and the port of the {server} server instead"
        )


def tls_failure(error: BaseException, address: DatabaseAddress, place: Place) -> DatabaseUnreachable | None:
    """The message for an error caused by TLS; None for every other error."""
    found = find_tls_error(error)
    if found is None:
        return None
    cure = f"set {form_of(address.engine).ca_key} in the address to the file of the certificate authority (PEM)"
    why = tls_problem(found, place.host, cure)
    if isinstance(found, ssl.SSLCertVerificationError) and found.verify_code in (62, 64):
        why += f", or ask for less than a check of the name ({address.tls.weaker})"
    return DatabaseUnreachable(why)


def require_cipher(cipher: str | None, tls: Tls, place: Place) -> None:
    """Raises DatabaseUnreachable for a session in plain text where the address asks for TLS."""
    if tls.required and cipher is None:
        raise DatabaseUnreachable(f"the session with {place} is not encrypted, which the address asks for")


def unreachable(error: OSError, place: Place) -> OSError:
    """The error with the place in it; a time-out as it is."""
    if isinstance(error, TimeoutError | DatabaseUnreachable):
        return error
    if isinstance(error, socket.gaierror):
        return DatabaseUnreachable(f"{place.host}: no such host ({error.strerror})")
    why = os.strerror(error.errno) if error.errno else str(error) or type(error).__name__
    return DatabaseUnreachable(f"{place}: {why}")


def none_of(failures: Sequence[tuple[Place, BaseException]]) -> BaseException:
    """One error for an address with several hosts, of which none could be connected to."""
    if len(failures) == 1:
        return failures[0][1]
    return DatabaseUnreachable("; ".join(_of(place, error) for place, error in failures))


def _of(place: Place, error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return f"{place}: no answer in time"
    return str(error) if isinstance(error, DatabaseUnreachable) else f"{place}: {error}"
