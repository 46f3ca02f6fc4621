"""What is on this machine, and what each missing thing disables."""

import os
import platform
import shutil
from collections.abc import Iterator
from typing import NamedTuple

from loadtests.conductor.host import packages
from loadtests.engines import having
from loadtests.servers.accounts import server_account
from loadtests.servers.contract import ServerUnavailable
from loadtests.servers.registry import product, programs

BROWSERS = ("firefox", "chromium", "google-chrome")


class HostFinding(NamedTuple):
    """One line: `disables` is empty when it was found."""

    what: str
    found: str
    disables: str = ""


def doctor() -> int:
    """Prints what was found. Returns 0: a missing part is no fault as long as no run needs it."""
    listed = list(findings())
    width = max(len(finding.what) for finding in listed)
    for what, found, disables in listed:
        print(f"{'missing' if disables else 'found  '}  {what:<{width}}  {found}")
        if disables:
            print(f"{'':9}{'':<{width}}  without it: {disables}")
    return 0


def findings() -> Iterator[HostFinding]:
    yield HostFinding("Python", f"{platform.python_version()} on {platform.system()} {platform.release()}")
    yield from map(_server, having("server"))
    yield from _server_users()
    yield _browser()
    for name, version in packages().items():
        yield HostFinding(name, version)


def _server(engine: str) -> HostFinding:
    name = product(engine).name
    try:
        binaries = programs(engine)
    except ServerUnavailable as error:
        return HostFinding(name, str(error), f"--storage {engine}…; sqlite and memory work")
    return HostFinding(name, f"{binaries.version} in {binaries.directory} ({binaries.source})")


def _server_users() -> Iterator[HostFinding]:
    """For an ordinary user one line will do, unless an engine cannot run as that user."""
    findings = [_server_user(engine) for engine in having("server")]
    if os.geteuid() != 0 and not any(finding.disables for finding in findings):
        yield HostFinding("server user", "yourself")
    else:
        yield from findings


def _server_user(engine: str) -> HostFinding:
    what = f"{product(engine).name}'s user"
    try:
        account = server_account(engine)
    except ServerUnavailable as error:
        return HostFinding(what, str(error), f"--storage {engine}… as this user")
    return HostFinding(what, account.name if account else "yourself")


def _browser() -> HostFinding:
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        return HostFinding("browser", "none on PATH", "nothing here: copy the page (one file) to where there is one")
    return HostFinding("browser", found)
