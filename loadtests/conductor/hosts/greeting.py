"""A worker host's hello: what it is, and its proofs that it belongs to the master."""

import os
import secrets

from loadtests.conductor.host import DISTRIBUTION, version_of
from loadtests.conductor.hosts import localtoken
from loadtests.conductor.hosts.link import PROTOCOL, Link
from loadtests.conductor.hosts.session import NONCE_LENGTH, ControlSession, context_of, join_proof, secret_proof
from loadtests.destinations import is_loopback
from loadtests.hostidentity import host_identity
from loadtests.joining import JOIN_TOKEN, TOKEN_SECRET, join_key


def send_hello(link: Link, nonce: str, master: tuple[str, int], processes: int) -> list[tuple[ControlSession, bytes]]:
    """Sends the hello to the master at that address, which welcomed this host with `nonce`. Returns the sessions that
    the master may continue, each with its key."""
    hello = {
        "protocol": PROTOCOL,
        "version": version_of(DISTRIBUTION) or "unknown",
        "node": os.uname().nodename,
        "host": host_identity(),
        "processes": processes,
        "nonce": secrets.token_hex(NONCE_LENGTH // 2),
    }
    context, keys, signing = context_of(nonce, hello), _join_keys(master), os.environ.get(TOKEN_SECRET)
    link.send(
        "hello",
        **hello,
        proofs=[join_proof(key, context) for key in keys],
        secret_proof=secret_proof(join_key(signing), context) if signing else "",
    )
    return [(ControlSession.of_worker(key, context), key) for key in keys]


def _join_keys(master: tuple[str, int]) -> list[bytes]:
    """Of every secret that this process may share with its master."""
    host, port = master
    found = [os.environ.get(JOIN_TOKEN), os.environ.get(TOKEN_SECRET)]
    if is_loopback(host):
        found.append(localtoken.read(port))
    return [join_key(secret) for secret in found if secret]
