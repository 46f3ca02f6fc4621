"""Wire protocols, one file each, without I/O: the visible table, and how one is chosen by name."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from loadtests.configuration.problems import nearest, one_of
from loadtests.parts import IncompleteError, load
from loadtests.protocols.contract import Client, Identity, Option, Spec
from loadtests.records.vocabulary import TIMED_OPERATIONS

DEFAULT_PROTOCOL: Final = "messaging-pod.v1"

PROTOCOLS: Final[dict[str, str]] = {
    "messaging-pod.v1": "loadtests.protocols.messaging_pod:SPEC",
    "jsonrpc": "loadtests.protocols.jsonrpc:SPEC",
}
"""Name → where its `Spec` is. A protocol is loaded when it is chosen."""


class ProtocolNameError(ValueError):
    """A protocol that cannot be used as written: what was `expected`, and the `nearest` valid spelling or nothing."""

    def __init__(self, text: str, expected: str, nearest: str = "") -> None:
        super().__init__(f"protocol {text!r}: expected {expected}{f'; did you mean {nearest}?' if nearest else ''}")
        self.expected = expected
        self.nearest = nearest


@dataclass(frozen=True)
class ChosenProtocol:
    """A protocol with the values of its options."""

    spec: Spec
    options: Mapping[str, Option]

    def client(self, identity: Identity) -> Client:
        """The client half for one connection."""
        return self.spec.client(identity, self.options)


def parse_protocol(text: str) -> ChosenProtocol:
    """`NAME` or `NAME,OPTION=VALUE,…`. Raises ProtocolNameError."""
    name, *pairs = text.split(",")
    if name not in PROTOCOLS:
        raise ProtocolNameError(text, one_of(list(PROTOCOLS)), nearest(name, PROTOCOLS))
    try:
        spec: Spec = load(PROTOCOLS[name])
    except IncompleteError as why:
        expected = f"its Spec at {PROTOCOLS[name]}, but {why}: correct its line in loadtests/protocols/__init__.py"
        raise ProtocolNameError(text, expected) from None
    options = dict(spec.options)
    for pair in pairs:
        option, equals, value = pair.partition("=")
        if option not in spec.options:
            expected = (
                f"an option of {name} ({one_of(list(spec.options))})" if spec.options else f"{name} without options"
            )
            raise ProtocolNameError(text, expected, nearest(option, spec.options))
        if not equals:
            raise ProtocolNameError(text, f"{option}=VALUE", f"{option}={spec.options[option]}")
        options[option] = _value(text, option, value, spec.options[option])
    return ChosenProtocol(spec, options)


def check_operations(text: str, needed: tuple[str, ...] = TIMED_OPERATIONS) -> None:
    """Raises ProtocolNameError when the protocol lacks operations of the workload: by default those of agents and
    customers."""
    spec = parse_protocol(text).spec
    if missing := [name for name in needed if name not in spec.operations]:
        raise ProtocolNameError(
            text, f"a protocol with every operation of the workload; {spec.name} lacks {', '.join(missing)}"
        )


def check_server_half(text: str) -> None:
    """Raises ProtocolNameError when the reference pod cannot speak the protocol."""
    spec = parse_protocol(text).spec
    if spec.server is None:
        expected = (
            f"a protocol that the reference pod speaks (such as {DEFAULT_PROTOCOL}): {spec.name} has no server half"
        )
        raise ProtocolNameError(text, f"{expected}, use it with --target")


def _value(text: str, option: str, value: str, default: Option) -> Option:
    """The value in the default's type. Raises ProtocolNameError."""
    if isinstance(default, bool):
        if value not in ("true", "false"):
            raise ProtocolNameError(text, f"{option}=true or {option}=false")
        return value == "true"
    try:
        return type(default)(value)
    except ValueError:
        raise ProtocolNameError(text, f"a number for {option}") from None
