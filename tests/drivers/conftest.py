"""Servers that offer TLS, one an engine and module, shared by the tests of its sessions."""

import asyncio
import inspect
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvloop
from availability import unavailable
from driver_certificates import Authority
from secured_servers import MADE, Secured, free_port

from loadtests.servers.contract import ServerUnavailable
from loadtests.servers.registry import create_server


def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Runs coroutines: what a pod does on its own kind of loop, everything else on asyncio's."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = inspect.signature(pyfuncitem.obj).parameters
    factory = uvloop.new_event_loop if pyfuncitem.funcargs.get("caller") == "pod" else None
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in names}))
    return True


@pytest.fixture(scope="module", params=sorted(MADE))
def secured(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    engine = str(request.param)
    try:
        server = create_server(engine, tmp_path_factory.mktemp("secured") / engine)
    except ServerUnavailable as error:
        unavailable(str(error))
    sockets = Path(tempfile.mkdtemp(prefix="lt-"))  # short: a socket's path has room for 107 bytes
    try:
        with server:
            owner = (server.directory / "data").stat()
            os.chown(sockets, owner.st_uid, owner.st_gid)
            sockets.chmod(0o755)
            authority = Authority(tmp_path_factory.mktemp("authority"))
            yield MADE[engine](server, authority, sockets, free_port)
    finally:
        shutil.rmtree(sockets, ignore_errors=True)
