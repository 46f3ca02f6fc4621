"""Whom a server runs as. PostgreSQL and MariaDB refuse to run as root, so root hands a server to an ordinary user."""

import os
import pwd
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from loadtests.servers.errors import ServerUnavailable

_OWN = {"postgres": "postgres", "mariadb": "mysql", "redis": "redis"}
"""Engine → the user that packages of it make; where there is none, `nobody` does."""


@dataclass(frozen=True)
class Account:
    name: str
    uid: int
    gid: int


def server_account(engine: str) -> Account | None:
    """None for an ordinary user, who runs servers as himself; for root the engine's own user, else `nobody`.

    Raises ServerUnavailable when root has neither, and when the engine needs a name for a user without one.
    """
    if os.geteuid() != 0:
        if engine == "postgres":
            _check_own_name()
        return None
    for account in _candidates(engine):
        return account
    raise ServerUnavailable(
        f"running as root, and no user {_OWN[engine]} or nobody to run the server as: "
        f"create one (useradd --system {_OWN[engine]}) or run as an ordinary user"
    )


def possible_users(engine: str) -> frozenset[int]:
    """The user ids that a server of this user's may have been started under, also before packages came or went."""
    if os.geteuid() != 0 or engine not in _OWN:
        return frozenset({os.geteuid()})
    return frozenset({0, *(account.uid for account in _candidates(engine))})


def _candidates(engine: str) -> Iterator[Account]:
    """Accounts that root runs a server as, in order of preference."""
    for name in (_OWN[engine], "nobody"):
        with suppress(KeyError):
            entry = pwd.getpwnam(name)
            yield Account(name, entry.pw_uid, entry.pw_gid)


def _check_own_name() -> None:
    """`initdb` and single-user mode end where the password database has no entry. Raises ServerUnavailable."""
    user = os.geteuid()
    try:
        pwd.getpwuid(user)
    except KeyError:
        raise ServerUnavailable(
            f"PostgreSQL needs a name for the user that it runs as, and user id {user} has none: "
            f"add a line for it to /etc/passwd, or preload libnss_wrapper.so with NSS_WRAPPER_PASSWD and "
            f"NSS_WRAPPER_GROUP"
        ) from None
