"""Whom a server runs as. PostgreSQL refuses to run as root, so root hands it to an unprivileged user."""

import os
import pwd
from dataclasses import dataclass

from loadtests.servers.errors import ServerUnavailable

_UNPRIVILEGED = ("postgres", "nobody")


@dataclass(frozen=True)
class Account:
    name: str
    uid: int
    gid: int


def server_account() -> Account | None:
    """None for an ordinary user, who runs servers as himself; for root `postgres` if there is one, else `nobody`.

    Raises ServerUnavailable when root has neither.
    """
    if os.geteuid() != 0:
        return None
    for name in _UNPRIVILEGED:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(name, entry.pw_uid, entry.pw_gid)
    raise ServerUnavailable(
        f"running as root, and no user {' or '.join(_UNPRIVILEGED)} to run PostgreSQL as: "
        "create one (useradd --system postgres) or run as an ordinary user"
    )
