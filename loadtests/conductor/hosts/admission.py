"""Whether a worker host may take part in a study, by what it says of itself. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from loadtests.conductor.hosts.link import PROTOCOL
from loadtests.conductor.hosts.session import NONCE_LENGTH, context_of, join_proof, secret_proof
from loadtests.hostidentity import MAX_HOST_NAME
from loadtests.joining import JOIN_TOKEN, TOKEN_SECRET, is_same, join_key
from loadtests.sanitize import sanitize

MOST_PROCESSES: Final = 10_000
"""More worker processes than any host can run: a larger number is a mistake."""

SIGNED: Final = ("protocol", "version", "node", "host", "processes", "nonce")
"""The fields of a hello that its proofs cover."""

_LONGEST_WORD: Final = 200
_MOST_PROOFS: Final = 4


@dataclass(frozen=True)
class Admission:
    """What a study expects of its worker hosts."""

    expected: int
    """How many worker processes there must be, on all hosts together."""
    version: str
    """The version of this package on the master's host."""
    host: str
    """Identity of the master's host."""
    join_secret: str = field(default="", repr=False)
    """What hosts prove to have. Without it no host is admitted."""
    join_variable: str = JOIN_TOKEN
    """The variable that it comes from; empty for a token that only processes of this user and host can read."""
    secret: str = field(default="", repr=False)
    """What tokens are signed with; empty: each run has a secret of its own, for pods on this host."""

    @property
    def key(self) -> bytes:
        return join_key(self.join_secret)


@dataclass(frozen=True)
class Hello:
    """What a worker host says of itself."""

    node: str
    version: str
    host: str
    processes: int
    protocol: int = PROTOCOL
    nonce: str = ""
    proofs: tuple[str, ...] = ()
    """One for each secret that the host has."""
    secret_proof: str = ""

    @classmethod
    def of(cls, message: Mapping[str, Any]) -> "Hello":
        """Raises ValueError when something is missing or is not what it should be."""
        numbers = {name: _number(message, name) for name in ("processes", "protocol")}
        words = {name: _word(message.get(name), name) for name in ("node", "version", "host")}
        if numbers["protocol"] != PROTOCOL:  # its hello has other fields
            return cls(**words, **numbers)  # type: ignore[arg-type]
        words |= {name: _word(message.get(name), name) for name in ("nonce", "secret_proof")}
        proofs = message.get("proofs")
        if not isinstance(proofs, list) or len(proofs) > _MOST_PROOFS:
            raise ValueError(f"incomplete hello: 'proofs' is not a list of at most {_MOST_PROOFS}")
        if len(words["nonce"]) != NONCE_LENGTH:
            raise ValueError(f"incomplete hello: 'nonce' does not have {NONCE_LENGTH} characters")
        return cls(**words, **numbers, proofs=tuple(_word(proof, "proofs") for proof in proofs))  # type: ignore[arg-type]

    @property
    def node_name(self) -> str:
        """Its name, safe to print."""
        return sanitize(self.node, MAX_HOST_NAME)

    def context(self, nonce: str) -> bytes:
        """What its proofs cover; `nonce` is the master's."""
        return context_of(nonce, {name: getattr(self, name) for name in SIGNED})


def _number(message: Mapping[str, Any], name: str) -> int:
    number = message.get(name)
    if type(number) is not int or not -MOST_PROCESSES <= number <= MOST_PROCESSES:
        raise ValueError(f"incomplete hello: '{name}' is not a whole number up to {MOST_PROCESSES}")
    return number


def _word(word: Any, name: str) -> str:
    if not isinstance(word, str) or len(word) > _LONGEST_WORD:
        raise ValueError(f"incomplete hello: '{name}' is not a text of at most {_LONGEST_WORD} characters")
    return word


def problem_of_version(hello: Hello, admission: Admission) -> str:
    """Why the host cannot even prove anything; empty when it can."""
    if hello.protocol == PROTOCOL and hello.version == admission.version:
        return ""
    theirs, ours = sanitize(hello.version, 40), admission.version
    if hello.protocol != PROTOCOL:  # of versions that are in development
        theirs, ours = f"{theirs} (protocol {hello.protocol})", f"{ours} (protocol {PROTOCOL})"
    return f"it runs loadtests {theirs}, the master {ours}: install the same version on both"


def problem_of_proof(hello: Hello, admission: Admission, nonce: str) -> str:
    """Why it has not proved that it belongs to this study; empty when it has. `nonce` is the master's."""
    variable = admission.join_variable
    expected = join_proof(admission.key, hello.context(nonce))
    matches = [is_same(proof, expected) for proof in hello.proofs]  # each of them, in constant time
    if admission.join_secret and any(matches):
        return ""
    if not variable:
        return (
            "it is not a process of the master's user on the master's host:"
            f" set {JOIN_TOKEN} to the same text in both environments"
        )
    if not hello.proofs:
        return f"it needs {variable} in its environment"
    return f"its {variable} is not that of the master: set the same one on both"


def problem_of(hello: Hello, admission: Admission, nonce: str, present: Mapping[str, int]) -> str:
    """Why a host that belongs to the study cannot take part; empty when it can. `present` has the processes of each
    host that does."""
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
    if not hello.secret_proof:
        return f"it needs {TOKEN_SECRET} in its environment"
    if not is_same(hello.secret_proof, secret_proof(join_key(admission.secret), hello.context(nonce))):
        return f"its {TOKEN_SECRET} is not that of the master: set the same one on both"
    return ""
