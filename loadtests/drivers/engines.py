"""The visible table: which module makes out an engine's addresses, and which one connects."""

from collections.abc import Callable, Mapping
from typing import Final

from loadtests.drivers.addresses import mariadb, postgres, redis
from loadtests.drivers.addresses.contract import Address, AddressError

PARSERS: Final[Mapping[str, Callable[[str], Address]]] = {
    "postgres": postgres.parse,
    "mariadb": mariadb.parse,
    "mysql": mariadb.parse,
    "redis": redis.parse,
}
"""Engine → what its addresses mean. `loadtests.drivers.ENGINE` connects (`mariadb` also to MySQL)."""


FORMS: Final[Mapping[str, str]] = {
    "postgres": postgres.FORM,
    "mariadb": mariadb.FORM,
    "mysql": mariadb.FORM,
    "redis": redis.FORM,
}


def parse(engine: str, dsn: str) -> Address:
    """What a DSN means. Raises AddressError, whose message quotes no value of it."""
    if engine not in PARSERS:
        raise AddressError(f"{engine} has no addresses")
    return PARSERS[engine](dsn)
