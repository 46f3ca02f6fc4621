"""A private MariaDB for tests, in a temporary directory that its user can enter; gone with the process that made it."""

import asyncio
import ctypes
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import asyncmy

START_S = 60.0
ADMIN, POD = "loadtests", "pod"
_PR_SET_PDEATHSIG = 1


class MariadbMissing(Exception):
    """There is no MariaDB on this machine."""


class MariadbServer:
    """`dsn` is a superuser's, `pod_dsn` an ordinary user's, who owns the databases `pod` and `test_…`."""

    def __init__(self) -> None:
        if not (shutil.which("mariadbd") and shutil.which("mariadb-install-db")):
            raise MariadbMissing("no MariaDB (Debian: apt install mariadb-server)")
        self._passwords = {ADMIN: secrets.token_hex(12), POD: secrets.token_hex(12)}
        self._directory = Path(tempfile.mkdtemp(prefix="loadtests-mariadb-"))
        self._as: dict[str, Any] = (
            {"user": "nobody", "group": "nogroup", "extra_groups": []} if os.geteuid() == 0 else {}
        )
        self._port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None
        (self._directory / "users.sql").write_text(self._users())
        if self._as:
            shutil.chown(self._directory, "nobody", "nogroup")
            shutil.chown(self._directory / "users.sql", "nobody", "nogroup")
        self._install()

    def _users(self) -> str:
        return (
            f"CREATE USER IF NOT EXISTS {ADMIN}@'%' IDENTIFIED BY '{self._passwords[ADMIN]}';\n"
            f"GRANT ALL ON *.* TO {ADMIN}@'%' WITH GRANT OPTION;\n"
            f"CREATE USER IF NOT EXISTS {POD}@'%' IDENTIFIED BY '{self._passwords[POD]}';\n"
            f"GRANT ALL ON `test\\_%`.* TO {POD}@'%';\nGRANT ALL ON {POD}.* TO {POD}@'%';\n"
            f"CREATE DATABASE IF NOT EXISTS {POD};\n"
        )

    def _install(self) -> None:
        argv = ["mariadb-install-db", "--no-defaults", f"--datadir={self._directory / 'data'}", "--skip-test-db"]
        done = subprocess.run(argv, check=False, capture_output=True, text=True, cwd="/", **self._as)
        if done.returncode != 0:
            self.destroy()
            raise MariadbMissing(f"mariadb-install-db failed: {done.stdout[-500:]} {done.stderr[-500:]}")

    def _dsn(self, user: str, database: str) -> str:
        return f"mariadb://{user}:{self._passwords[user]}@127.0.0.1:{self._port}/{database}"

    @property
    def dsn(self) -> str:
        return self._dsn(ADMIN, POD)

    @property
    def pod_dsn(self) -> str:
        return self._dsn(POD, POD)

    def start(self, **options: str) -> None:
        """Returns when connections are served."""
        argv = [
            *("mariadbd", "--no-defaults", f"--datadir={self._directory / 'data'}"),
            *(f"--socket={self._directory / 'socket'}", f"--pid-file={self._directory / 'pid'}"),
            *(f"--port={self._port}", "--bind-address=127.0.0.1", "--skip-name-resolve", "--max-connections=200"),
            *(f"--init-file={self._directory / 'users.sql'}", "--innodb-log-file-size=32M"),
            *(f"--{name.replace('_', '-')}={value}" for name, value in options.items()),
        ]
        with (self._directory / "log").open("ab") as log:
            self._process = subprocess.Popen(
                argv,
                stdout=log,
                stderr=log,
                cwd="/",
                preexec_fn=_die_with_parent,  # noqa: PLW1509  a guardian would be too much for a test
                **self._as,
            )
        end = time.monotonic() + START_S
        while not asyncio.run(self._serves()):
            if self._process.poll() is not None or time.monotonic() > end:
                raise MariadbMissing(f"mariadbd did not start: {(self._directory / 'log').read_text()[-2000:]}")
            time.sleep(0.05)

    async def _serves(self) -> bool:
        try:
            await self.execute("SELECT 1")
        except asyncmy.errors.MySQLError:
            return False
        return True

    async def execute(self, sql: str, values: Sequence[Any] = ()) -> Sequence[Sequence[Any]]:
        """As the superuser, in a session of its own."""
        connection = await self.connect()
        try:
            cursor = connection.cursor()
            await cursor.execute(sql, values)
            rows: Sequence[Sequence[Any]] = await cursor.fetchall()
            return rows
        finally:
            connection.close()

    async def connect(self, database: str = "") -> Any:
        """A superuser's session."""
        return await asyncmy.connect(
            host="127.0.0.1",
            port=self._port,
            user=ADMIN,
            password=self._passwords[ADMIN],
            database=database or None,
            autocommit=True,
            connect_timeout=5,
        )

    def on(self, database: str) -> str:
        """The pod's way to another database."""
        return self._dsn(POD, database)

    def kill(self) -> None:
        """SIGKILL; `start` then recovers from the log."""
        self._end(signal.SIGKILL)

    def _end(self, number: int) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(number)
            process.wait(START_S)

    def destroy(self) -> None:
        self._end(signal.SIGKILL)
        shutil.rmtree(self._directory, ignore_errors=True)

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.destroy()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.destroy()


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


def _die_with_parent() -> None:
    # Runs after the change of user, which would have cleared the signal.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
