"""Every context of TLS that this package makes as a client."""

import ssl

import pytest

from loadtests.drivers.addresses.contract import Tls
from loadtests.drivers.contexts import context
from loadtests.timeline.control import _tls
from loadtests.wire.opening import default_tls


@pytest.mark.parametrize("made", [default_tls, _tls, lambda: context(Tls("require"))], ids=["wire", "calls", "drivers"])
def test_a_server_cannot_renegotiate(made) -> None:
    """Renegotiation without end is a processor's time without end."""
    assert made().options & ssl.OP_NO_RENEGOTIATION


@pytest.mark.parametrize("made", [default_tls, _tls], ids=["wire", "calls"])
def test_the_name_in_a_certificate_is_checked(made) -> None:
    assert made().check_hostname
    assert made().verify_mode is ssl.CERT_REQUIRED
