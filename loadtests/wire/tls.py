"""Why TLS failed, in words that name the cure. Pure."""

import functools
import os
import ssl
from typing import Final

from loadtests.sanitize import sanitize
from loadtests.wire.failures import ConnectionFailed, exhausted, local_error
from loadtests.wire.response import described, protocol_of

_UNKNOWN_ISSUER: Final = frozenset({2, 18, 19, 20, 21, 27})
"""OpenSSL's verify codes of a chain that ends with no authority that is trusted here."""


@functools.cache
def default_tls() -> ssl.SSLContext:
    """One for all: reading the certificates takes 20 ms, for which every connection would stand still, and 0.8 MB."""
    context = ssl.create_default_context()
    context.options |= ssl.OP_NO_RENEGOTIATION
    return context


def tls_failed(host: str, error: OSError, answer: bytes) -> ConnectionFailed:
    """A TLS handshake with `host` failed; `answer` are the first bytes that the server sent."""
    local = local_error(error)
    if local:
        return ConnectionFailed(local, f"TLS with {host}: {error}")
    if answer and protocol_of(answer) != "TLS":
        detail = f"TLS with {host}: the port does not speak TLS, it sent {described(answer)}: use ws://"
        return ConnectionFailed("handshake_rejected", detail)
    if isinstance(error, ssl.SSLCertVerificationError):
        return ConnectionFailed(exhausted() or "handshake_rejected", f"TLS with {host}: {_certificate(error)}")
    if isinstance(error, ssl.SSLError) and not isinstance(error, ssl.SSLEOFError):
        return ConnectionFailed("handshake_rejected", f"TLS with {host}: {sanitize(str(error), 200)}")
    hint = "" if answer else " (so do ports without TLS: ws://)"
    return ConnectionFailed("cut_off", f"{host} closed the connection during the TLS handshake{hint}: {error}")


def _certificate(error: ssl.SSLCertVerificationError) -> str:
    message = sanitize(error.verify_message, 200)
    if error.verify_code not in _UNKNOWN_ISSUER:
        return f"its certificate is not valid: {message}"
    return f"its certificate is of an unknown issuer ({message}): {_cure()}"


def _cure() -> str:
    name = ssl.get_default_verify_paths().openssl_cafile_env
    given = os.environ.get(name)
    if given and not os.access(given, os.R_OK):
        return f"{name}={given} cannot be read: name the issuer's certificate there"
    if given:
        return f"it is not in {name}={given}: name a file that holds it, {name}=/path/to/ca.pem"
    return f"name a file with the issuer's certificate: {name}=/path/to/ca.pem"
