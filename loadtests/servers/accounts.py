"""Whom a server runs as. PostgreSQL and MariaDB refuse to run as root, so root hands a server to an ordinary user."""

import os
import pwd
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from loadtests.engines import ENGINES, has, load
from loadtests.servers.contract import ServerUnavailable


@dataclass(frozen=True)
class ServerAccount:
    name: str
    uid: int
    gid: int


def server_account(engine: str) -> ServerAccount | None:
    """None for an ordinary user, which runs its own servers; for root the engine's own user, else `nobody`.

    Raises ServerUnavailable when root has neither, and when the engine needs a name for a user without one.
    """
    if os.geteuid() != 0:
        if load(engine, "server").needs_user_name:
            _check_user_name(ENGINES[engine].title)
        return None
    for account in _candidates(engine):
        return account
    user = ENGINES[engine].os_user
    raise ServerUnavailable(
        f"running as root, and no user {user} or `nobody` to run the server as: "
        f"create one (useradd --system {user}) or run as an ordinary user"
    )


def possible_users(engine: str) -> frozenset[int]:
    """The user ids that a server of this user's may have been started under, also before packages came or went."""
    if os.geteuid() != 0 or not has(engine, "os_user"):
        return frozenset({os.geteuid()})
    return frozenset({0, *(account.uid for account in _candidates(engine))})


def _candidates(engine: str) -> Iterator[ServerAccount]:
    """Accounts that root runs a server as, in order of preference."""
    for name in (ENGINES[engine].os_user, "nobody"):
        with suppress(KeyError):
            entry = pwd.getpwnam(name)
            yield ServerAccount(name, entry.pw_uid, entry.pw_gid)


def _check_user_name(title: str) -> None:
    """Raises ServerUnavailable where the password database has no entry for this user."""
    user = os.geteuid()
    try:
        pwd.getpwuid(user)
    except KeyError:
        raise ServerUnavailable(
            f"{title} needs a name for the user that it runs as, and user id {user} has none: "
            f"add a line for it to /etc/passwd, or preload libnss_wrapper.so with NSS_WRAPPER_PASSWD and "
            f"NSS_WRAPPER_GROUP"
        ) from None
