"""What went wrong with TLS, in words that name the cure. A leaf: `drivers` and `conductor` use it."""

import os
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from loadtests.sanitize import sanitize

TRUST_VARIABLES: Final = ("SSL_CERT_FILE", "SSL_CERT_DIR")
"""Environment variables from which OpenSSL takes the certificate authorities that it trusts."""

TRUST_CURE: Final = "set SSL_CERT_FILE to the file of the certificate authority (PEM)"

_EXPIRED, _NOT_YET_VALID = 10, 9
_SELF_SIGNED = 18
_UNKNOWN_ISSUER = frozenset({2, 7, 19, 20, 21, 27})
_OTHER_NAME = frozenset({62, 64})
_NO_TLS = frozenset({"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG"})
_WANTS_CERTIFICATE = frozenset({"TLSV13_ALERT_CERTIFICATE_REQUIRED", "TLSV1_ALERT_UNKNOWN_CA"})


def tls_problem(error: ssl.SSLError, host: str, cure: str = TRUST_CURE) -> str:
    """One sentence on why TLS with `host` failed. `cure`: how a private certificate authority is named."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return _certificate_problem(error, host, cure)
    if isinstance(error, ssl.SSLEOFError):
        return f"{host} closed the connection during the TLS handshake"
    reason = error.reason or ""
    if reason in _NO_TLS:
        return f"{host} does not speak TLS on this port"
    if reason in _WANTS_CERTIFICATE:
        return f"{host} requires a client certificate that it trusts ({reason.lower().replace('_', ' ')})"
    return f"TLS with {host} failed: {reason.lower().replace('_', ' ') or sanitize(str(error))}"


def _certificate_problem(error: ssl.SSLCertVerificationError, host: str, cure: str) -> str:
    whose, code = f"the certificate of {host}", error.verify_code
    if code == _SELF_SIGNED:
        return f"{whose} is self-signed: if it is yours, {cure}, which here is the certificate itself"
    if code in _UNKNOWN_ISSUER:
        return f"{whose} is of an unknown issuer ({sanitize(error.verify_message)}): if the issuer is yours, {cure}"
    if code in _OTHER_NAME:
        return f"{whose} is for another name: use a name or an address that the certificate holds"
    if code == _EXPIRED:
        return f"{whose} has expired: renew it, or check the clock of this machine"
    if code == _NOT_YET_VALID:
        return f"{whose} is not valid yet: check the clock of this machine"
    return f"{whose} was not accepted: {sanitize(error.verify_message)}"


def find_tls_error(error: BaseException | None) -> ssl.SSLError | None:
    """The TLS error that caused `error`, which a driver may have wrapped."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        if isinstance(error, ssl.SSLError):
            return error
        seen.add(id(error))
        error = error.__cause__ or error.__context__
    return None


def problems_of_trust(environment: Mapping[str, str] | None = None) -> list[str]:
    """What is wrong with the variables that name trusted authorities, which OpenSSL would not report."""
    problems, environment = [], os.environ if environment is None else environment
    for name in TRUST_VARIABLES:
        place = environment.get(name)
        if place and (why := _unusable(name, Path(place))):
            problems.append(f"{name} names {place}, {why}")
    return problems


def _unusable(name: str, place: Path) -> str:
    if name == "SSL_CERT_DIR":
        return "" if any(Path(part).is_dir() for part in str(place).split(os.pathsep)) else "which is no directory"
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=place)
    except ssl.SSLError:
        return "which holds no certificate in PEM form"
    except OSError as error:
        return f"which cannot be read: {error.strerror}"
    return ""
