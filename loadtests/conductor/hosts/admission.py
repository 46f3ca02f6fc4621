"""Whether a worker host may take part in a study, by what it says of itself. Pure."""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from loadtests.conductor.hosts.link import PROTOCOL, proof

TOKEN_SECRET = "LOADTESTS_TOKEN_SECRET"  # noqa: S105  the name, not the secret


@dataclass(frozen=True)
class Admission:
    """What a study expects of its worker hosts."""

    expected: int
    """How many worker processes there must be, on all hosts together."""
    version: str
    """The version of this package on the master's host."""
    host: str
    """Identity of the master's host."""
    secret: str = ""
    """What tokens are signed with; empty: each run has a secret of its own, which does not leave this host."""


@dataclass(frozen=True)
class Hello:
    """What a worker host says of itself."""

    node: str
    version: str
    host: str
    processes: int
    proof: str
    protocol: int = PROTOCOL

    @classmethod
    def of(cls, message: Mapping[str, Any]) -> "Hello":
        """Raises ValueError when something is missing or is not what it should be."""
        try:
            numbers = {name: int(message[name]) for name in ("processes", "protocol")}
            words = {name: str(message[name])[:200] for name in ("node", "version", "host", "proof")}
        except (KeyError, TypeError) as error:
            raise ValueError(f"incomplete hello: {error}") from None
        return cls(**words, **numbers)  # type: ignore[arg-type]


def problem_of(hello: Hello, admission: Admission, nonce: str, present: Mapping[str, int]) -> str:
    """Why the host cannot take part; empty when it can. `present` has the processes of each host that does."""
    if hello.protocol != PROTOCOL or hello.version != admission.version:
        return f"it runs loadtests {hello.version}, the master {admission.version}: install the same version on both"
    if hello.processes < 1:
        return f"it offers {hello.processes} worker processes: at least 1 is needed"
    free = admission.expected - sum(present.values())
    if hello.processes > free:
        there = ", ".join(f"{count} on {name}" for name, count in present.items()) or "none yet"
        return (
            f"it offers {hello.processes} worker processes, and {free} of {admission.expected} are still needed"
            f" (there are: {there}): adapt --expect-workers of the master or --processes of the worker"
        )
    return _problem_of_secret(hello, admission, nonce)


def _problem_of_secret(hello: Hello, admission: Admission, nonce: str) -> str:
    if not admission.secret:
        if hello.host == admission.host:
            return ""
        return (
            "the pods of this study listen on the master's loopback only: load a pod that it can reach, with --target"
        )
    if not hello.proof:
        # Processes of one host get it from the master, over loopback.
        return "" if hello.host == admission.host else f"it needs {TOKEN_SECRET} in its environment"
    if not hmac.compare_digest(hello.proof.encode(), proof(admission.secret, nonce).encode()):
        return f"its {TOKEN_SECRET} is not that of the master: set the same one on both"
    return ""
