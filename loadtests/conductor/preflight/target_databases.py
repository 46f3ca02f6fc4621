"""The databases behind a pod that we did not start: named on the command line, and checked before a study begins."""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence

from loadtests import engines
from loadtests.conductor.failures import Unavailable
from loadtests.conductor.target import networks_of_host
from loadtests.destinations import is_loopback, is_owned
from loadtests.drivers.addresses import form_of, parse_address
from loadtests.drivers.addresses.contract import AddressError
from loadtests.parts import IncompleteError
from loadtests.probes.contract import Database, Probe
from loadtests.probes.databases import DSNS, database_probes, dsns_by_name, why_not


def databases_behind(
    named: Sequence[str], dsns: str | None, hosts_owned: tuple[str, ...], problems: list[str]
) -> tuple[Database, ...]:
    """The databases to observe. Adds their problems to `problems`, without their addresses, which hold passwords."""
    databases: list[Database] = []
    try:
        databases = [Database.parse(text) for text in named]
        addresses = dsns_by_name(dsns) if named else {}
    except ValueError as error:
        problems.append(f"--database: {error}")
        return ()
    for database in databases:
        wrong = _problem_of_database(database, addresses.get(database.name), hosts_owned)
        problems += [f"--database {database.name}:{database.engine}: {wrong}"] if wrong else []
    twice = sorted(name for name, n in Counter(d.name for d in databases).items() if n > 1)
    problems += [f"--database {name}: named twice" for name in twice]
    return tuple(databases)


def _problem_of_database(database: Database, dsn: object, hosts_owned: tuple[str, ...]) -> str:
    if not engines.has(database.engine, "probe"):
        return f"{database.engine} cannot be observed; engines that can: {', '.join(engines.having('probe'))}"
    try:
        engines.check(database.engine)
    except IncompleteError as error:
        return str(error)
    if not isinstance(dsn, str):
        return f'its address is missing: set {DSNS} to a JSON object, such as {{"{database.name}": "…"}}'
    try:
        address = parse_address(database.engine, dsn)
    except AddressError as error:
        return f"its address in {DSNS} is no {form_of(database.engine).example} that can be used: {error}"
    foreign = [host for host in address.hosts if not is_loopback(host) and not is_owned(host, hosts_owned)]
    if not foreign:
        return ""
    owned = " ".join(f"--i-own {host}" for host in foreign)
    return f"{' and '.join(foreign)}: not this machine. If it is yours, and may be observed, say {owned}"


def networks_of_databases(
    databases: Sequence[Database], dsns: str | None, hosts_owned: Sequence[str]
) -> dict[str, tuple[str, ...]]:
    """Of each host by name that no certificate proves: where it may be for the rest of the study."""
    found = {}
    known = dsns_by_name(dsns) if databases else {}
    for address in (parse_address(database.engine, known[database.name]) for database in databases):
        for place in address.places:
            if not place.is_socket and address.tls.mode != "verify-full":
                found[place.host] = networks_of_host(place.host, place.port, hosts_owned)
    return {host: networks for host, networks in found.items() if networks}


def check_databases(databases: Sequence[Database], dsns: str | None) -> None:
    """Opens each as the observer will. Raises Unavailable with every database that cannot be observed."""
    probes = database_probes(databases, dsns, time.monotonic_ns)
    reasons = asyncio.run(_try_all([next(p for p in probes if p.name == d.probe) for d in databases]))
    if problems := [_shut(database, why) for database, why in zip(databases, reasons, strict=True) if why]:
        raise Unavailable("\n".join(problems))


async def _try_all(probes: Sequence[Probe]) -> list[str]:
    return await asyncio.gather(*map(_try, probes))


async def _try(probe: Probe) -> str:
    """Why it cannot be opened; empty when it can."""
    try:
        await probe.open()
    except Exception as error:
        return why_not(error)
    finally:
        await probe.close()
    return ""


def _shut(database: Database, why: str) -> str:
    return (
        f"--database {database.name}:{database.engine} cannot be observed: {why}. Check its address in {DSNS}, and "
        "what its role may do (docs/waits.md)"
    )
