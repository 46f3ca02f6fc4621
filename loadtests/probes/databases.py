"""The databases that an observer observes, and their probes."""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from typing import Any, cast

from loadtests import engines
from loadtests.drivers.addresses.contract import AddressError
from loadtests.probes.contract import Clock, Database, Probe, ServerClockOffset, Source
from loadtests.sanitize import sanitize

DSNS = "LOADTESTS_DSNS"
"""Environment variable: the databases' addresses, a JSON object by name."""

_LONGEST_REASON = 500


def database_probes(databases: Sequence[Database], dsns: str | None, clock: Clock) -> list[Probe]:
    """A probe for each database that can be observed, followed by its companions (`beside`).

    Raises ValueError when an address is missing.
    """
    addresses = dsns_by_name(dsns)
    seen = [database for database in databases if engines.has(database.engine, "probe")]
    if missing := [d.name for d in seen if not isinstance(addresses.get(d.name), str)]:
        raise ValueError(f"{DSNS} has no address of {', '.join(missing)}: expected a JSON object, name → DSN")
    probes = [create_probe(database, addresses[database.name], clock) for database in seen]
    return [one for probe in probes for one in (probe, *getattr(probe, "beside", ()))]


def create_probe(database: Database, dsn: str, clock: Clock) -> Probe:
    """The probe of the database's engine, not opened yet."""
    return cast(Probe, engines.load(database.engine, "probe")(database, dsn, clock))


def dsns_by_name(dsns: str | None) -> Mapping[str, Any]:
    """What the environment variable holds. Raises ValueError, which quotes nothing of it."""
    with suppress(ValueError):  # its message would quote passwords
        addresses = json.loads(dsns or "{}")
        if isinstance(addresses, dict):
            return addresses
    raise ValueError(f"{DSNS} is not a JSON object, name → DSN")


def why_not(error: Exception) -> str:
    """Why a database cannot be observed, in one line."""
    if isinstance(error, TimeoutError):
        return "it does not answer"
    if isinstance(error, AddressError):
        return f"its address cannot be used: {error}"
    if isinstance(error, ValueError):  # a driver that cannot make out an address may quote it, with the password in it
        return "its address was not understood"
    coded = len(error.args) > 1 and isinstance(error.args[0], int)  # a number, and what it means
    text = " ".join(str(error.args[-1] if coded else error).split()).rstrip(".")
    return sanitize(text or type(error).__name__, _LONGEST_REASON)


def sources(databases: Sequence[Database], probes: Sequence[Any]) -> dict[str, dict[str, Any]]:
    """By database: how its lock waits are known; without databases that are not observed."""
    reported: dict[str, Source | None] = {probe.name: getattr(probe, "source", None) for probe in probes}
    found = {database.name: reported.get(database.probe) for database in databases}
    return {name: asdict(source) for name, source in found.items() if source}


def offsets(databases: Sequence[Database], probes: Sequence[Any]) -> dict[str, dict[str, int]]:
    """By database: how far its clock is ahead of ours, where its probe could read it."""
    known: dict[str, ServerClockOffset | None] = {probe.name: getattr(probe, "offset", None) for probe in probes}
    found = {database.name: known.get(database.probe) for database in databases}
    return {name: {"offset_ns": o.offset_ns, "error_ns": o.error_ns} for name, o in found.items() if o}
