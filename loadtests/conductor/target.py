"""A pod that we did not start: whose it is, whether it is there, whether it takes our tokens."""

import ipaddress
from urllib.parse import SplitResult, urlsplit

from loadtests.conductor.failures import BadInput, CannotRun, RunEnded, Unavailable
from loadtests.records.vocabulary import LOCAL_ERRORS
from loadtests.wire.blocking import BlockingConnection, reach
from loadtests.wire.codecs.messages import SUBPROTOCOL, ProtocolError, Reply
from loadtests.wire.codecs.tokens import token_for
from loadtests.wire.failures import ConnectionFailed

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
    if is_loopback(parts.hostname) or parts.hostname in hosts_owned:
        return []
    return [
        f"--target {url}: {parts.hostname} is not this machine. Load may only go to hosts that you own: "
        f"if it is yours, say --i-own {parts.hostname}"
    ]


def is_loopback(host: str) -> bool:
    """By address, and `localhost` by name: other names may change what they stand for."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def address_of(url: str) -> tuple[str, int]:
    parts: SplitResult = urlsplit(url)
    return parts.hostname or "", parts.port or (443 if parts.scheme == "wss" else 80)


def require_target(url: str) -> None:
    """Raises RunEnded(target_unavailable) when the target accepts no connection; RunEnded(internal) when this host had
    no port, descriptor or memory to find out."""
    try:
        reach(*address_of(url), TRY_FOR_S)
    except ConnectionFailed as failure:
        code = "internal" if failure.error in LOCAL_ERRORS else "target_unavailable"
        raise RunEnded(code, _unreachable(failure)) from None


def check_target(url: str, account: str, secret: str) -> None:
    """Connects once as `account`. Raises Unavailable when there is no server or it does not speak the protocol,
    BadInput when the pod does not take our token, CannotRun when this host has no port, descriptor or memory left."""
    host, port = address_of(url)
    where = f"{host}:{port}"
    body = {"token": token_for(account, secret), "role": "customer", "name": "load test"}
    try:
        with BlockingConnection.open(url, TRY_FOR_S) as pod:
            reply = pod.ask("connection.create", 1, body)
            if isinstance(reply, Reply) and reply.outcome == "ok":
                pod.leave()
    except ConnectionFailed as failure:
        if failure.error in LOCAL_ERRORS:
            raise CannotRun(_unreachable(failure)) from None
        raise Unavailable(_unfit(failure, where, url)) from None
    except ProtocolError as error:
        raise Unavailable(f"{where} answered with something that is not {SUBPROTOCOL}: {error}") from None
    _judge(reply, where, account)


def _unfit(failure: ConnectionFailed, where: str, url: str) -> str:
    if failure.error in ("dns", "connect_refused") or not failure.connected:
        return _unreachable(failure)
    if failure.error in ("handshake_rejected", "bad_reply"):
        return f"no WebSocket with {SUBPROTOCOL} at {url}: {failure.detail}"
    return f"{where} was reached but did not answer as a pod does: {failure.detail}"


def _unreachable(failure: ConnectionFailed) -> str:
    """What to do where not even TCP connected."""
    if failure.error in LOCAL_ERRORS:
        return f"this host has run out of {failure.error.removeprefix('local_')}: {failure.detail}"
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
        raise Unavailable(f"{where} refused a connection: {reply.error}")
