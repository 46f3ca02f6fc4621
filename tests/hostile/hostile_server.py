"""The hostile server, a process of its own: `hostile_server.py [--study[=MODE]] CERTIFICATE KEY`.

Serves each mode on a port of its own, which is how a client chooses one, and writes the ports, by mode, as one line of
JSON. With `--study` one port more, under the name "study": every second connection is served properly, the others are
each in the next mode without TLS, or all in MODE. Ends when standard input does.
"""

import itertools
import json
import random
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from hostile_modes import MODES
from hostile_peer import Peer
from hostile_scripts import CERTIFICATE, Script, answer_all

STUDY = "study"


def serve(port: socket.socket, scripts: Iterator[Script]) -> None:
    """Runs the next script for each connection."""

    def run(connected: socket.socket, script: Script) -> None:
        with connected, suppress(OSError, EOFError, ValueError, StopIteration):
            script(Peer(connected))

    while True:
        connected, _ = port.accept()
        threading.Thread(target=run, args=(connected, next(scripts)), daemon=True).start()


def behaves(peer: Peer) -> None:
    peer.upgrade()
    answer_all(peer)


def study_scripts(only: str) -> Iterator[Script]:
    """Serves the first, which is the harness's check, and every other one."""
    modes = [mode for name, mode in MODES.items() if only in ("", name) and not mode.tls]
    random.Random(11).shuffle(modes)  # so that a short study sees every kind
    for mode in itertools.cycle(modes):
        yield behaves
        yield mode.script


def main() -> None:
    *options, certificate, key = sys.argv[1:]
    CERTIFICATE[:] = certificate, key
    scripts: dict[str, Iterator[Script]] = {name: itertools.repeat(mode.script) for name, mode in MODES.items()}
    for option in options:
        scripts[STUDY] = study_scripts(option.removeprefix("--study").removeprefix("="))
    ports = {name: socket.create_server(("127.0.0.1", 0), backlog=512) for name in scripts}
    for name, port in ports.items():
        threading.Thread(target=serve, args=(port, scripts[name]), daemon=True).start()
    print(json.dumps({name: port.getsockname()[1] for name, port in ports.items()}), flush=True)
    sys.stdin.read()


@contextmanager
def hostile_server(certificate: Path, *options: str) -> Iterator[dict[str, int]]:
    """The ports of a server process, by mode. `certificate`: a directory with cert.pem and key.pem."""
    command = [sys.executable, __file__, *options, str(certificate / "cert.pem"), str(certificate / "key.pem")]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())
    finally:
        process.kill()
        process.communicate()


if __name__ == "__main__":
    main()
