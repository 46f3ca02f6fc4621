"""Masters and worker hosts of tests: hellos with proofs, and both ends of a control connection."""

import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from loadtests.conductor.hosts.admission import SIGNED, Admission, Hello
from loadtests.conductor.hosts.link import PROTOCOL, Link
from loadtests.conductor.hosts.roster import Roster
from loadtests.conductor.hosts.session import ControlSession, context_of, join_proof, secret_proof
from loadtests.conductor.ports import free_port
from loadtests.joining import join_key

SECRET, TOKEN, NONCE, OWN_NONCE = "s3cret", "a join token", "17" * 16, "18" * 16


def hello_fields(
    nonce: str, secrets: Sequence[str] = (TOKEN,), signing: str = SECRET, **changes: object
) -> dict[str, Any]:
    """A hello to the master with that nonce, whose proofs cover the changes."""
    output = {"node": "b", "version": "1.0", "host": "other", "processes": 1, "protocol": PROTOCOL, "nonce": OWN_NONCE}
    output |= {name: value for name, value in changes.items() if name in SIGNED}
    context = context_of(nonce, output)
    proofs = [join_proof(join_key(secret), context) for secret in secrets]
    shown = secret_proof(join_key(signing), context) if signing else ""
    return {**output, "proofs": proofs, "secret_proof": shown, **changes}


def hello(nonce: str = NONCE, secrets: Sequence[str] = (TOKEN,), signing: str = SECRET, **changes: object) -> Hello:
    return Hello.of(hello_fields(nonce, secrets, signing, **changes))


@contextmanager
def roster(wait_s: float = 20.0, expected: int = 1) -> Iterator[tuple[Roster, int, list[str]]]:
    output: list[str] = []
    port = free_port()
    admission = Admission(expected, "1.0", "master", join_secret=TOKEN, secret=SECRET)
    with Roster(("127.0.0.1", port), admission, wait_s, output.append) as made:
        yield made, port, output


def greet_as(link: Link, nonce: str, secrets: Sequence[str] = (TOKEN,), **changes: object) -> None:
    """Says hello with proofs for these secrets, and expects signed lines if there are any."""
    output = hello_fields(nonce, secrets, **changes)
    link.send("hello", **output)
    context = context_of(nonce, {name: output[name] for name in SIGNED})
    link.require_proof([ControlSession.of_worker(join_key(secret), context) for secret in secrets])


@contextmanager
def worker_host(
    port: int, serve: Callable[[Link], None], on_connection: Callable[[], None] = lambda: None, **changes: Any
) -> Iterator[threading.Thread]:
    """A host that says hello in a thread, and then does what `serve` does."""

    def run() -> None:
        link = Link(socket.create_connection(("127.0.0.1", port)))
        try:
            on_connection()
            greeting = link.receive(20.0)
            assert greeting is not None
            greet_as(link, str(greeting["nonce"]), **{"node": "host-b", **changes})
            serve(link)
        finally:
            link.close()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield thread
    finally:
        thread.join(30)


def events(link: Link, received: list[str], until: str = "over") -> None:
    while not received or received[-1] != until:
        message = link.receive(20.0)
        assert message is not None, received
        received.append(message["event"])
        if message["event"] == "run":
            link.send("starting")
