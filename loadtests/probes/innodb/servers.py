"""MariaDB or MySQL, its version, and the queries that it supports. Pure."""

import re
from dataclasses import dataclass

from loadtests.probes.contract import Source

UNTESTED = "MySQL is supported by its documentation; not tested"
NO_PROCESS = (
    "only totals are seen, of no session: the observer's user needs PROCESS (GRANT PROCESS ON *.* TO …) and, on MySQL,"
    " SELECT on performance_schema.*"
)
NO_HOLDERS = (
    "holders of a table's metadata lock or a user-level lock are unknown: performance_schema does not list these locks"
    " (instrument wait/lock/metadata/sql/mdl), nor is the plugin metadata_lock_info there"
)
GUESSED_HOLDERS = (
    "holders of metadata and user-level locks are inferred from the waiting statement: the plugin"
    " metadata_lock_info lists holders only"
)
_OLDEST = {"MariaDB": (10, 6), "MySQL": (8, 0)}


@dataclass(frozen=True)
class ServerProduct:
    """`flavour` begins the names of the `.sql` files that it is asked with; `limit` limits a statement's time."""

    flavour: str
    limit: str

    @classmethod
    def of(cls, version: str) -> "ServerProduct":
        """Of what version() says. Raises RuntimeError for a server that cannot be watched."""
        name = "MariaDB" if "MariaDB" in version else "MySQL"
        found = re.match(r"(\d+)\.(\d+)", version)
        if not found or tuple(map(int, found.groups())) < _OLDEST[name]:
            oldest = " or ".join(f"{product} {major}.{minor}" for product, (major, minor) in _OLDEST.items())
            raise RuntimeError(f"{version} cannot be watched: {oldest}, or newer, can")
        # MariaDB's in seconds and of any statement, MySQL's in milliseconds and of SELECT.
        return cls(name.lower(), "max_statement_time = {:.3f}" if name == "MariaDB" else "max_execution_time = {:.0f}")

    def limited(self, seconds: float) -> str:
        return self.limit.format(seconds if self.flavour == "mariadb" else seconds * 1000)


def source(
    product: ServerProduct, period_ns: int, counters_ns: int, sees_sessions: bool, holders: str | None
) -> Source:
    """`holders`: by which list holders of metadata locks are known; None: none."""
    reasons = [UNTESTED] if product.flavour == "mysql" else []
    if not sees_sessions:
        return Source(("counter",), counters_ns, None, "; ".join([*reasons, NO_PROCESS]))
    if holders != "metadata":
        reasons.append(GUESSED_HOLDERS if holders else NO_HOLDERS)
    return Source(("sampled", "counter"), period_ns, None, "; ".join(reasons))
