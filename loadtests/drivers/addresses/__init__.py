"""What a DSN means, by engine. Pure."""

from typing import cast

from loadtests import engines
from loadtests.drivers.addresses.contract import AddressError, AddressForm, DatabaseAddress


def form_of(engine: str) -> AddressForm:
    """Raises AddressError for an engine without addresses."""
    if not engines.has(engine, "address"):
        raise AddressError(f"{engine} has no addresses")
    return cast(AddressForm, engines.load(engine, "address"))


def parse_address(engine: str, dsn: str) -> DatabaseAddress:
    """What a DSN means. Raises AddressError, whose message quotes no value of it."""
    return form_of(engine).parse(dsn)
