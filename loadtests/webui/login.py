"""Log-ins of the web UI: who is logged in, and how often a password may be tried."""

import secrets
import time
from collections import deque
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Final

from loadtests.webui.passwords import Password

MOST_FAILURES: Final = 5
"""Failed attempts in `WINDOW_S` from one address (of IPv6, one network of 64 bits); then it has to wait."""

MOST_FAILURES_OF_ALL: Final = 50
"""The same for all addresses together."""

WINDOW_S: Final = 60.0

LASTS_S: Final = 12 * 3600.0
"""How long a log-in lasts."""

_MOST_ADDRESSES = 1000
_MOST_LOGINS = 1000

Clock = Callable[[], float]


class Attempts:
    """Counts failed attempts: by address, and all of them."""

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._all: deque[float] = deque()
        self._of: dict[str, deque[float]] = {}

    def wait_s(self, address: str) -> float:
        """How long an attempt from there is refused; 0: it may be made."""
        now = self._clock()
        waits = [_wait_s(self._all, MOST_FAILURES_OF_ALL, now)]
        if (failures := self._of.get(_network(address))) is not None:
            waits.append(_wait_s(failures, MOST_FAILURES, now))
        return max(waits)

    def note_failure(self, address: str) -> None:
        now, network = self._clock(), _network(address)
        self._all.append(now)
        self._of.setdefault(network, deque()).append(now)
        if len(self._of) > _MOST_ADDRESSES:
            self._of = {name: times for name, times in self._of.items() if times and now - times[-1] < WINDOW_S}


class Logins:
    """Valid log-ins, by a random identity that only the browser's session has."""

    def __init__(self, password: Password, clock: Clock = time.monotonic) -> None:
        self._password, self._clock = password, clock
        self.attempts = Attempts(clock)
        self._until: dict[str, float] = {}

    def log_in(self, address: str, password: str) -> str | None:
        """The identity of a new log-in, or None for a wrong password.

        `attempts.wait_s` must be 0.
        """
        if not self._password.matches(password):
            self.attempts.note_failure(address)
            return None
        now = self._clock()
        self._until = {identity: until for identity, until in self._until.items() if until > now}
        while len(self._until) >= _MOST_LOGINS:
            del self._until[next(iter(self._until))]
        identity = secrets.token_urlsafe(32)
        self._until[identity] = now + LASTS_S
        return identity

    def is_valid(self, identity: object) -> bool:
        return isinstance(identity, str) and self._until.get(identity, 0.0) > self._clock()

    def log_out(self, identity: object) -> None:
        if isinstance(identity, str):
            self._until.pop(identity, None)


def _wait_s(failures: deque[float], most: int, now: float) -> float:
    while failures and now - failures[0] >= WINDOW_S:
        failures.popleft()
    return WINDOW_S - (now - failures[-most]) if len(failures) >= most else 0.0


def _network(address: str) -> str:
    """What counts as one address: a host has all of its IPv6 network of 64 bits."""
    try:
        ip = ip_address(address.partition("%")[0])
    except ValueError:
        return ""
    if isinstance(ip, IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    return str(ip_network((ip, 64 if ip.version == 6 else 32), strict=False))
