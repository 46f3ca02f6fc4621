"""What is on this machine, and what each missing thing disables."""

import os
import platform
import shutil
from collections.abc import Iterator
from typing import NamedTuple

from loadtests.conductor.host import packages
from loadtests.engines import having
from loadtests.servers.accounts import server_account
from loadtests.servers.errors import ServerUnavailable
from loadtests.servers.registry import product, programs

BROWSERS = ("firefox", "chromium", "google-chrome")


class Finding(NamedTuple):
    """One line: `disables` is empty when it was found."""

    what: str
    found: str
    disables: str = ""


def doctor() -> int:
    """Prints what was found. Returns 0: something missing is no fault as long as nobody asks for it."""
    findings = list(look())
    width = max(len(f.what) for f in findings)
    for what, found, disables in findings:
        print(f"{'missing' if disables else 'found  '}  {what:<{width}}  {found}")
        if disables:
            print(f"{'':9}{'':<{width}}  without it: {disables}")
    return 0


def look() -> Iterator[Finding]:
    yield Finding("Python", f"{platform.python_version()} on {platform.system()} {platform.release()}")
    yield from map(_server, having("server"))
    yield from _server_users()
    yield _browser()
    for name, version in packages().items():
        yield Finding(name, version)


def _server(engine: str) -> Finding:
    name = product(engine).name
    try:
        binaries = programs(engine)
    except ServerUnavailable as error:
        return Finding(name, str(error), f"--storage {engine}…; sqlite and memory work")
    return Finding(name, f"{binaries.version} in {binaries.directory} ({binaries.source})")


def _server_users() -> Iterator[Finding]:
    """For an ordinary user one line will do, unless an engine cannot run as that user."""
    findings = [_server_user(engine) for engine in having("server")]
    if os.geteuid() != 0 and not any(finding.disables for finding in findings):
        yield Finding("server user", "yourself")
    else:
        yield from findings


def _server_user(engine: str) -> Finding:
    what = f"{product(engine).name}'s user"
    try:
        account = server_account(engine)
    except ServerUnavailable as error:
        return Finding(what, str(error), f"--storage {engine}… as this user")
    return Finding(what, account.name if account else "yourself")


def _browser() -> Finding:
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        return Finding("browser", "none on PATH", "nothing here: copy the page (one file) to where there is one")
    return Finding("browser", found)
