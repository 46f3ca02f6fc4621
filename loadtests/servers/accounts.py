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

    Raises ServerUnavailable when root has neither.
    """
    if os.geteuid() != 0:
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
