"""What this host ran out of while the pod needed it: counted and logged apart from what the storage does."""

import logging
import resource
import sys
import time
from collections import Counter
from typing import Final

from loadtests.limits.exhaustion import resource_of

LOGGED_EVERY_S: Final = 1.0

_LAST: Final = 3
"""So many numbers below the limit are its last ones: a client's socket may share them with a database's."""

_log = logging.getLogger(__name__)


class LocalErrors:
    """Failures of the pod's own host by resource. They go to the log as `local_errors`, from where the conductor
    counts them: once a second at most, and at the end."""

    def __init__(self) -> None:
        self.total: Counter[str] = Counter()
        self._unlogged: Counter[str] = Counter()
        self._logged_at = 0.0

    def note(self, error: BaseException) -> bool:
        """Whether the error says that a resource of this host had run out; then it is counted."""
        found = resource_of(error)
        if found is not None:
            self.count(found)
        return found is not None

    def count(self, name: str) -> None:
        self.total[name] += 1
        self._unlogged[name] += 1
        if time.monotonic() - self._logged_at >= LOGGED_EVERY_S:
            self.flush()

    def flush(self) -> None:
        """Logs what has been counted since the last time."""
        self._logged_at = time.monotonic()
        for name, count in self._unlogged.items():
            _log.warning("local_errors", extra={"resource": name, "count": count})
        self._unlogged.clear()


class Descriptors:
    """Notices that no descriptor is left for new clients. uvloop closes connections that it cannot accept without
    reporting it. But the kernel gives the lowest number that is free: a client with one of the last numbers came when
    all others were taken."""

    def __init__(self, errors: LocalErrors) -> None:
        self._errors = errors
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        self._last = sys.maxsize if limit == resource.RLIM_INFINITY else limit - _LAST

    def opened(self, descriptor: int) -> None:
        if descriptor >= self._last:
            self._errors.count("descriptors")
