"""A pod that we did not start: whose it is, whether it is there, whether it takes our tokens."""

import socket
from collections.abc import Iterable, Sequence
from contextlib import suppress
from urllib.parse import SplitResult, urlsplit

from loadtests.accounts import token_for
from loadtests.conductor.failures import BadInput, CannotRun, RunEnded, Unavailable
from loadtests.credentials import redact
from loadtests.destinations import is_literal, is_loopback, is_owned, networks_of
from loadtests.protocols import DEFAULT_PROTOCOL, ChosenProtocol, parse_protocol
from loadtests.protocols.contract import Identity, ProtocolError, Push, Reply
from loadtests.records.vocabulary import ERRORS, LOCAL_ERRORS
from loadtests.sanitize import sanitize
from loadtests.wire.blocking import BlockingConnection, reach
from loadtests.wire.failures import ConnectionFailed, DestinationRefused
from loadtests.wire.opening import Endpoint

TRY_FOR_S = 5.0


def problems_of_target(url: str, hosts_owned: tuple[str, ...]) -> list[str]:
    """What speaks against sending load there; nothing is sent anywhere to find out."""
    try:
        parts = urlsplit(url)
        valid = parts.scheme in ("ws", "wss") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # no port, or no address in brackets
        valid = False
    if not valid:
        return [f"--target {url!r}: expected ws://HOST:PORT/… or wss://HOST/…, a port from 1 to 65535"]
    if parts.username or parts.password or parts.query or parts.fragment:
        return ["--target: credentials and queries do not belong in an address, which is recorded"]
    assert parts.hostname
    if is_loopback(parts.hostname) or is_owned(parts.hostname, hosts_owned):
        return []
    return [
        f"--target {url}: {parts.hostname} is not this machine. Load may only go to hosts that you own: "
        f"if it is yours, say --i-own {parts.hostname}"
    ]


def networks_of_url(url: str, hosts_owned: Iterable[str]) -> tuple[str, ...]:
    """Where the host of a URL may be for the rest of the study, by what its name stands for now; empty, for anywhere,
    where a certificate proves the name, where the host is an address, and where it is not known."""
    if urlsplit(url).scheme in ("wss", "https"):
        return ()
    return networks_of_host(*address_of(url), hosts_owned)


def networks_of_host(host: str, port: int, hosts_owned: Iterable[str]) -> tuple[str, ...]:
    """Where a host may be from now on, by what its name stands for; empty for an address and a name not known."""
    if is_literal(host) or is_loopback(host):
        return ()
    with suppress(OSError, UnicodeError):
        found = socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM)
        return networks_of(dict.fromkeys(str(address[0]) for _, _, _, _, address in found), hosts_owned)
    return ()


def address_of(url: str) -> tuple[str, int]:
    parts: SplitResult = urlsplit(url)
    return parts.hostname or "", parts.port or (443 if parts.scheme in ("wss", "https") else 80)


def require_target(url: str, networks: Sequence[str] = ()) -> None:
    """Raises RunEnded(target_unavailable) when the target accepts no connection; RunEnded(internal) when this host had
    no port, descriptor or memory to find out."""
    try:
        reach(*address_of(url), TRY_FOR_S, networks)
    except ConnectionFailed as failure:
        code = "internal" if failure.error in LOCAL_ERRORS else "target_unavailable"
        raise RunEnded(code, _unreachable(failure)) from None


def check_target(
    url: str, account: str, secret: str, networks: Sequence[str] = (), protocol: str = DEFAULT_PROTOCOL
) -> None:
    """Connects once as `account`, to an address in `networks` where there are any.

    Raises Unavailable when there is no server or it does not speak the protocol, BadInput when the pod does not accept
    the token, CannotRun when this host has no port, descriptor or memory left."""
    host, port = address_of(url)
    where = f"{host}:{port}"
    token = token_for(account, secret)
    chosen = parse_protocol(protocol)
    try:
        _judge(_try(url, chosen, Identity(token, "customer", "load test"), tuple(networks)), where, account)
    except ConnectionFailed as failure:
        if failure.error in LOCAL_ERRORS:
            raise CannotRun(_unreachable(failure)) from None
        raise Unavailable(_without(token, _unfit(failure, where, url, chosen.spec.name))) from None
    except ProtocolError as error:
        answered = f"{where} answered with something that is not {chosen.spec.name}: {error}"
        raise Unavailable(_without(token, answered)) from None
    except Unavailable as refused:
        raise Unavailable(_without(token, str(refused))) from None


def _try(url: str, protocol: ChosenProtocol, identity: Identity, networks: tuple[str, ...]) -> Reply | Push:
    """The server's answer to a connection, which is closed again. Raises ConnectionFailed, ProtocolError."""
    spec = protocol.spec
    endpoint = Endpoint(spec.url(url, identity), spec.subprotocols, spec.headers(identity), networks)
    with BlockingConnection(endpoint, protocol.client(identity), TRY_FOR_S) as pod:
        reply = pod.create(1)
        if isinstance(reply, Reply) and reply.outcome == "ok":
            pod.leave()
    return reply


def _without(token: str, text: str) -> str:
    """The text without the token's signature, which a server may quote."""
    return redact(text, [token.rpartition(".")[2]])


def _unfit(failure: ConnectionFailed, where: str, url: str, protocol: str) -> str:
    if failure.error in ("dns", "connect_refused") or not failure.connected:
        return _unreachable(failure)
    if failure.error in ("handshake_rejected", "bad_reply"):
        return f"no WebSocket with {protocol} at {url}: {failure.detail}"
    return f"{where} was reached but did not answer as a pod does: {failure.detail}"


def _unreachable(failure: ConnectionFailed) -> str:
    """What to do where not even TCP connected."""
    if failure.error in LOCAL_ERRORS:
        return f"this host has run out of {failure.error.removeprefix('local_')}: {failure.detail}"
    if isinstance(failure, DestinationRefused):
        return failure.detail
    if failure.error == "dns":
        return f"no such host: {failure.detail}: check --target"
    return f"nothing answers at {failure.detail}: start the pod, or correct --target"


def _judge(reply: object, where: str, account: str) -> None:
    if not isinstance(reply, Reply):
        raise Unavailable(f"{where} pushed an event before it had answered")
    if reply.error == "unauthorized":
        raise BadInput(
            f"{where} does not take the token of {account}: set LOADTESTS_TOKEN_SECRET to the secret that the pod uses"
        )
    if reply.outcome != "ok":
        raise Unavailable(f"{where} refused a connection: {_named(reply.error)}")


def _named(error: str) -> str:
    return error if error in ERRORS else f"an error that the protocol does not have, '{sanitize(error)}'"
