"""Proofs that two processes have the same secret, which itself is not sent. A leaf: standard library only.

A recorded proof allows an attacker to try out secrets: scrypt makes each attempt cost 16 MB and some 50 ms.
"""

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

JOIN_TOKEN: Final = "LOADTESTS_JOIN_TOKEN"  # noqa: S105  the name, not the token
"""Variable with what a worker proves to its master; without it, `TOKEN_SECRET` serves."""

TOKEN_SECRET: Final = "LOADTESTS_TOKEN_SECRET"  # noqa: S105  the name, not the secret
"""Variable with what the accounts' tokens are signed with."""

_SALT: Final = b"loadtests join"


def new_token() -> str:
    """A token that cannot be guessed."""
    return secrets.token_hex(32)


def join_secret(environment: Mapping[str, str]) -> tuple[str, str]:
    """The secret that workers and master share, and the variable that it comes from; both empty without one."""
    return next(((environment[name], name) for name in (JOIN_TOKEN, TOKEN_SECRET) if environment.get(name)), ("", ""))


@lru_cache(maxsize=8)
def join_key(secret: str) -> bytes:
    """The key that is derived from a secret: 32 bytes."""
    return hashlib.scrypt(secret.encode("utf-8", "surrogateescape"), salt=_SALT, n=2**14, r=8, p=1, dklen=32)


def derived(key: bytes, purpose: str, context: bytes = b"") -> bytes:
    """A key, or a proof, for one purpose and one context: 32 bytes that show nothing of `key`."""
    name = purpose.encode()
    return hmac.digest(key, len(name).to_bytes(2, "big") + name + context, "sha256")


def is_same(one: str | bytes, other: str | bytes) -> bool:
    """Compares in a time that does not depend on where they differ."""
    return hmac.compare_digest(*(x.encode("utf-8", "replace") if isinstance(x, str) else x for x in (one, other)))
