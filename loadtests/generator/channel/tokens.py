"""The join token of this process, and the CurveZMQ keys that follow from it.

A master that forks its workers gives them a token of its own by memory: nothing else can join it. A master and workers
that are started apart have theirs in the environment.
"""

import os
from argparse import Namespace
from functools import lru_cache
from typing import Final

import zmq
from zmq.utils import z85

from loadtests.joining import JOIN_TOKEN, TOKEN_SECRET, derived, join_key, join_secret, new_token

_OF_FORKED_WORKERS: Final = new_token()
"""Made when the locustfile is read, before Locust forks."""

_state = {"forks": False}


def note_options(options: Namespace) -> None:
    """Notes whether this process forks its workers, before it does."""
    _state["forks"] = _forks(options)


def _forks(options: Namespace) -> bool:
    return bool(getattr(options, "processes", None)) and not getattr(options, "worker", False)


def forks_workers() -> bool:
    """Whether the workers are, or this one is, forked by the master."""
    return _state["forks"]


def token() -> str:
    """The join token. Raises RuntimeError when there is none, which `problems_of_token` reports before."""
    found = _OF_FORKED_WORKERS if forks_workers() else join_secret(os.environ)[0]
    if not found:
        raise RuntimeError(f"{JOIN_TOKEN} is not set")
    return found


def problems_of_token(options: Namespace) -> list[str]:
    """What keeps a master and a worker that are started apart from joining; one sentence."""
    apart = getattr(options, "master", False) or getattr(options, "worker", False)
    if _forks(options) or not apart or join_secret(os.environ)[0]:
        return []
    role = "--worker" if options.worker else "--master"
    return [f"{role} needs {JOIN_TOKEN} or {TOKEN_SECRET} in the environment, the same text for master and workers"]


@lru_cache(maxsize=4)
def server_keys(join_token: str) -> tuple[bytes, bytes]:
    """Public and secret key of the master, as Z85. The public one is known to those only that have the token, so that
    it admits them: without it a handshake cannot even begin."""
    secret: bytes = z85.encode(derived(join_key(join_token), "master of Locust workers"))
    return zmq.curve_public(secret), secret
