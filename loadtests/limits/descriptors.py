"""Open files: how many this process may have, and raising that as far as we may."""

import resource
from pathlib import Path
from typing import Final

MOST: Final = 1 << 20
"""Enough for every load; a limit of a billion, as some container engines set, makes old programs close as many."""

HOW: Final = "ulimit -Hn, LimitNOFILE= of a systemd unit, --ulimit nofile= of a container, /etc/security/limits.conf"
"""Where the hard limit is set."""


def raise_soft_limit() -> int:
    """Raises the soft limit on open files to the hard one, which children inherit. Returns the limit then."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST if hard == resource.RLIM_INFINITY else min(hard, MOST)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        except (OSError, ValueError):  # a seccomp filter, a kernel with a lower limit of its own: as before then
            return soft
        return wanted
    return MOST if soft == resource.RLIM_INFINITY else soft


def limit_of(pid: int) -> int:
    """The soft limit of another process. Raises OSError when it has ended."""
    for line in Path(f"/proc/{pid}/limits").read_text(encoding="ascii").splitlines():
        if line.startswith("Max open files") and (soft := line.split()[3]).isdigit():
            return int(soft)
    return MOST


def limit() -> int:
    """How many this process may have open once the soft limit is raised."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return MOST if hard == resource.RLIM_INFINITY else hard
