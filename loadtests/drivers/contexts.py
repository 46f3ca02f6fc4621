"""TLS contexts by address. Nothing is read that the address does not name."""

import ssl
from collections.abc import Callable
from typing import Final

from loadtests.drivers.addresses.contract import AddressError, Tls
from loadtests.tls import problems_of_trust

_VERSIONS: Final = {
    "TLSv1": ssl.TLSVersion.TLSv1,
    "TLSv1.1": ssl.TLSVersion.TLSv1_1,
    "TLSv1.2": ssl.TLSVersion.TLSv1_2,
    "TLSv1.3": ssl.TLSVersion.TLSv1_3,
}


def context(tls: Tls, *, protocol: str | None = None) -> ssl.SSLContext:
    """For every mode but `disable`. `protocol`: what ALPN offers. Raises AddressError for files that are of no use."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname = tls.mode == "verify-full"
    made.verify_mode = ssl.CERT_REQUIRED if tls.mode in ("verify-ca", "verify-full") else ssl.CERT_NONE
    made.options |= ssl.OP_NO_RENEGOTIATION
    made.minimum_version = _VERSIONS[tls.minimum or "TLSv1.2"]
    made.maximum_version = _VERSIONS[tls.maximum or "TLSv1.3"]
    _load_authorities(made, tls)
    if tls.certificate is not None:
        password = tls.key_password
        _load(
            "client certificate",
            tls.certificate,
            lambda: made.load_cert_chain(tls.certificate or "", tls.key, password),
        )
    if protocol is not None:
        made.set_alpn_protocols([protocol])
    return made


def _load_authorities(made: ssl.SSLContext, tls: Tls) -> None:
    if tls.ca == "system":
        if problems := problems_of_trust():
            raise AddressError("; ".join(problems))
        made.load_default_certs()
    elif tls.ca is not None:
        _load("certificate authority", tls.ca, lambda: made.load_verify_locations(tls.ca))
    if tls.crl is not None:
        _load("list of revoked certificates", tls.crl, lambda: made.load_verify_locations(tls.crl))
        made.verify_flags |= ssl.VERIFY_CRL_CHECK_CHAIN


def _load(what: str, path: str, load: Callable[[], object]) -> None:
    try:
        load()
    except ssl.SSLError as error:
        raise AddressError(
            f"the file of the {what}, {path}, is of no use: {error.reason or 'not in PEM form'}"
        ) from None
    except OSError as error:
        raise AddressError(f"the file of the {what}, {path}, cannot be read: {error.strerror}") from None
