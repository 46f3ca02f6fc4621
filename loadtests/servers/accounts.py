"""Whom a server runs as. PostgreSQL and MariaDB refuse to run as root, so root hands a server to an ordinary user."""

import os
import pwd
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
    for name in (_OWN[engine], "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(name, entry.pw_uid, entry.pw_gid)
    raise ServerUnavailable(
        f"running as root, and no user {_OWN[engine]} or nobody to run the server as: "
        f"create one (useradd --system {_OWN[engine]}) or run as an ordinary user"
    )


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
