"""What is on this machine, and what each missing thing disables."""

import platform
import shutil
from collections.abc import Iterator
from typing import NamedTuple

from loadtests.conductor.host import packages
from loadtests.servers.accounts import server_account
from loadtests.servers.binaries import find_binaries
from loadtests.servers.errors import ServerUnavailable

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
    yield _postgres()
    yield _server_user()
    yield _browser()
    for name, version in packages().items():
        yield Finding(name, version)


def _postgres() -> Finding:
    try:
        binaries = find_binaries()
    except ServerUnavailable as error:
        return Finding("PostgreSQL", str(error), "--storage postgres…; sqlite and memory work")
    return Finding("PostgreSQL", f"{binaries.version} in {binaries.directory} ({binaries.source})")


def _server_user() -> Finding:
    try:
        account = server_account()
    except ServerUnavailable as error:
        return Finding("server user", str(error), "--storage postgres… as root")
    return Finding("server user", account.name if account else "yourself")


def _browser() -> Finding:
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        return Finding("browser", "none on PATH", "nothing here: copy the page (one file) to where there is one")
    return Finding("browser", found)
