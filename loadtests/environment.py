"""Which environment variables our processes have, and which the user's own commands. A leaf: standard library only.

Libraries read settings by themselves: from variables (`PG*`, `LOCUST_*`, `GEVENT_*`, `MPLBACKEND`, `SSLKEYLOGFILE`,
proxies) and from files below HOME (`~/.pgpass`, `~/.postgresql`, `~/.locust.conf`, `~/.gitconfig`). Such settings were
made for other programs. So our processes have only the variables named here, and a home directory that does not exist.

Every entry point calls `clean` before it imports a library. What it withholds is kept for the user's own commands, the
umask included.
"""

import os
import site
import warnings
from collections.abc import Mapping
from typing import Final

from loadtests import readers

NO_HOME: Final = "/dev/null/home"
"""HOME of our processes: cannot be made, not even by root (a browser had made /nonexistent/home). An unset HOME would
not do: libraries then ask the password database."""

SECRETS: Final = frozenset(
    f"LOADTESTS_{name}"
    for name in (
        "DSN",
        "DSN_LEGACY",
        "DSN_UPGRADED",
        "DSNS",
        "HOLDERS_DSNS",
        "TOKEN_SECRET",
        "JOIN_TOKEN",
        "CONTROL_TOKEN",
        "PLAN",
        "LIVE_FD",
        "USER_UMASK",
        "WEB_PASSWORD",
    )
)
"""Secrets and settings of one process: a child has those that it is given, the user's commands none."""

_USER_UMASK: Final = "LOADTESTS_USER_UMASK"
"""Variable of `carrier_environment`: the umask of the user's shell, in octal."""

_WITHHELD: Final = "LOADTESTS_WITHHELD_"
"""Prefix under which `carrier_environment` passes on variables that are for the user's commands only."""

_LOADER = ("PATH", "LD_LIBRARY_PATH", "TMPDIR", "TEMP", "TMP", "SSL_CERT_FILE", "SSL_CERT_DIR", "PYTHONPATH")
"""Paths, or lists of them. Made absolute: children run in other directories."""

_PASSED = frozenset(
    (
        *_LOADER,
        *("TZ", "TZDIR", "LANG", "LC_ALL", "LC_CTYPE", "RES_OPTIONS", "LOCALDOMAIN", "GLIBC_TUNABLES"),
        *("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"),  # limits of hosts with few threads
        *("PYTHONHOME", "PYTHONUSERBASE", "PYTHONNOUSERSITE", "PYTHONPLATLIBDIR", "PYTHONUTF8", "PYTHONCOERCECLOCALE"),
        *("PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX", "PYTHONFAULTHANDLER"),
    )
)
_PASSED_PREFIXES = ("LOADTESTS_", "LD_", "DYLD_", "MALLOC_", "NSS_WRAPPER_", "FAKETIME", "DONT_FAKE_")
"""Ours, and those of the dynamic loader, the allocator and two libraries that LD_PRELOAD names."""

_TERMINAL = frozenset(("TERM", "COLORTERM", "NO_COLOR", "FORCE_COLOR", "CLICOLOR"))
"""About the user's terminal: for the processes that write to it. Its size they ask it for, as COLUMNS may be stale."""

_SET_BY_US = ("HOME", "PYTHONUSERBASE")

_QUIET: tuple[type[Warning], ...] = (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning)

_withheld: dict[str, str] = {}
"""What `clean` removed from this process's environment, or replaced."""

_umask: dict[str, str] = {}
"""The user's umask, under its variable's name, once `clean` has been called."""


def clean() -> None:
    """Reduces this process's environment to what our processes have, and sets its umask. May be called again."""
    before = f"{os.umask(readers.umask()):03o}"
    _umask.setdefault(_USER_UMASK, os.environ.pop(_USER_UMASK, before))
    original = user_variables()
    ours = _passed(original, terminal=True)
    _withheld.update(_differing(original, ours))
    for name in os.environ.keys() - ours.keys():
        del os.environ[name]
    os.environ.update(ours)
    if "PYTHONWARNINGS" in _withheld:  # `error` would make an error of each deprecation in a library
        warnings.resetwarnings()
        for category in _QUIET:
            warnings.simplefilter("ignore", category)


def child_environment(given: Mapping[str, str]) -> dict[str, str]:
    """The environment of a child of ours, its `given` secrets included and no other ones."""
    ours = _passed(user_variables(), terminal=False)
    return {**{name: value for name, value in ours.items() if name not in SECRETS}, **given}


def carrier_environment() -> dict[str, str]:
    """The environment of a process that itself runs the user's commands: ours, with the rest set apart."""
    original = user_variables()
    ours = _passed(original, terminal=True)
    return {**ours, **_umask, **{f"{_WITHHELD}{name}": value for name, value in _differing(original, ours).items()}}


def user_environment() -> dict[str, str]:
    """The environment of the user's own commands: as it was for us, without our secrets."""
    return {name: value for name, value in user_variables().items() if name not in SECRETS}


def user_umask() -> int:
    """The umask of the user's own commands; -1, which changes nothing, where `clean` has not been called."""
    octal = _umask.get(_USER_UMASK, "")
    return int(octal, 8) & 0o777 if octal and set(octal) <= set("01234567") else -1


def user_variables() -> dict[str, str]:
    """All variables as the user set them, whether `clean` has been called or not."""
    present = dict(os.environ)
    carried = {n.removeprefix(_WITHHELD): present.pop(n) for n in os.environ if n.startswith(_WITHHELD)}
    if present.get("HOME") == NO_HOME:
        present = {name: value for name, value in present.items() if name not in _SET_BY_US}
    return {**_withheld, **carried, **present}


def _passed(original: Mapping[str, str], *, terminal: bool) -> dict[str, str]:
    """Those of the user's variables that our processes have, and those that we set."""
    names = _PASSED | _TERMINAL if terminal else _PASSED
    ours = {name: value for name, value in original.items() if name in names or name.startswith(_PASSED_PREFIXES)}
    ours |= {name: _absolute(ours[name]) for name in _LOADER if name in ours}
    if site.ENABLE_USER_SITE:  # found by way of HOME otherwise
        ours["PYTHONUSERBASE"] = site.getuserbase()
    return {**ours, "HOME": NO_HOME}


def _differing(original: Mapping[str, str], ours: Mapping[str, str]) -> dict[str, str]:
    """The user's variables that our processes lack or have with another value."""
    return {name: value for name, value in original.items() if ours.get(name) != value or name in _SET_BY_US}


def _absolute(paths: str) -> str:
    try:
        return os.pathsep.join(os.path.abspath(path) if path else path for path in paths.split(os.pathsep))  # noqa: PTH100
    except OSError:  # the working directory has been removed
        return paths
