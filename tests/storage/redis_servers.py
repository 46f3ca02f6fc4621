"""A private Redis for tests."""

import shutil
import socket
import subprocess
import time
from pathlib import Path


class RedisProcess:
    def __init__(self, directory: Path, appendfsync: str = "always", **settings: str) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.settings = {"appendonly": "yes", "appendfsync": appendfsync, "save": "", "dir": str(directory)} | settings
        self.dsn = f"redis://127.0.0.1:{self.port}/0"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        program = shutil.which("redis-server")
        assert program
        options = [word for name, value in self.settings.items() for word in (f"--{name}", value)]
        argv = [program, "--port", str(self.port), "--bind", "127.0.0.1", *options]
        with (self.directory / "log").open("ab") as log:
            self.process = subprocess.Popen(argv, stdout=log, stderr=log)
        until = time.monotonic() + 20
        while time.monotonic() < until:
            try:
                with socket.create_connection(("127.0.0.1", self.port), 1) as s:
                    s.sendall(b"PING\r\n")
                    if s.recv(5) == b"+PONG":
                        return
            except OSError:
                pass
            time.sleep(0.02)
        raise RuntimeError((self.directory / "log").read_text())

    def kill(self) -> None:
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None

    def __enter__(self) -> "RedisProcess":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
