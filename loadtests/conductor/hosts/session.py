"""The handshake of a control connection, and the authentication of the lines that follow it. Pure.

Both sides choose a nonce. A proof and the keys of a session depend on both nonces and on every field of the hello, so
that a proof is worth nothing on another connection, and a line nothing at another place.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from loadtests.joining import derived, is_same

NONCE_LENGTH: Final = 32
"""Characters of a nonce: 16 random bytes in hexadecimal."""

_MAC_LENGTH: Final = 64


@dataclass
class ControlSession:
    """Signs the lines that one side sends and verifies those that it receives, each once and in order."""

    sending: bytes
    receiving: bytes
    sent: int = 0
    received: int = 0

    @classmethod
    def of_master(cls, key: bytes, context: bytes) -> Self:
        return cls(derived(key, "lines of the master", context), derived(key, "lines of the worker", context))

    @classmethod
    def of_worker(cls, key: bytes, context: bytes) -> Self:
        return cls(derived(key, "lines of the worker", context), derived(key, "lines of the master", context))

    def signed(self, data: bytes) -> bytes:
        """The line for `data`."""
        mac = derived(self.sending, str(self.sent), data)
        self.sent += 1
        return mac.hex().encode() + b" " + data

    def verified(self, line: bytes) -> bytes | None:
        """The data of the next line; None when the other side has not sent it, or has sent it before."""
        mac, data = line[:_MAC_LENGTH], line[_MAC_LENGTH + 1 :]
        if not is_same(mac, derived(self.receiving, str(self.received), data).hex().encode()):
            return None
        self.received += 1
        return data


def context_of(nonce: str, hello: Mapping[str, Any]) -> bytes:
    """What a proof covers, in one form: the master's nonce, and the fields of the hello with the host's nonce."""
    return json.dumps([nonce, hello], sort_keys=True).encode()


def join_proof(key: bytes, context: bytes) -> str:
    """Shows that a worker host has the key of its master."""
    return derived(key, "join", context).hex()


def secret_proof(key: bytes, context: bytes) -> str:
    """Shows that a worker host signs tokens with the secret of its master."""
    return derived(key, "signing secret", context).hex()


def run_token(key: bytes, nonce: str) -> str:
    """The join token of one run's Locust connections, which both sides derive."""
    return derived(key, "run", nonce.encode()).hex()
