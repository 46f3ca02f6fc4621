"""A pod that we did not start: whose it is, whether it is there, whether it takes our tokens."""

import ipaddress
import socket
from urllib.parse import SplitResult, urlsplit

from websockets.exceptions import InvalidHandshake, InvalidURI, WebSocketException
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from loadtests.conductor.failures import BadInput, RunEnded, Unavailable
from loadtests.wire.codecs.messages import SUBPROTOCOL, ProtocolError, Reply, decode_from_pod, encode_request, key_text
from loadtests.wire.codecs.tokens import token_for

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
    """Raises RunEnded(target_unavailable) when nobody listens there."""
    try:
        _reach(*address_of(url))
    except Unavailable as error:
        raise RunEnded("target_unavailable", str(error)) from None


def check_target(url: str, account: str, secret: str) -> None:
    """Connects once as `account`. Raises Unavailable when nobody is there or speaks the protocol, BadInput when the
    pod does not take our token."""
    host, port = address_of(url)
    where = f"{host}:{port}"
    _reach(host, port)
    try:
        with connect(
            url, subprotocols=[Subprotocol(SUBPROTOCOL)], open_timeout=TRY_FOR_S, close_timeout=1, proxy=None
        ) as pod:
            body = {"token": token_for(account, secret), "role": "customer", "name": "load test"}
            pod.send(encode_request("connection.create", key_text(1), body).decode())
            reply = decode_from_pod(pod.recv(timeout=TRY_FOR_S))
            if isinstance(reply, Reply) and reply.outcome == "ok":
                pod.send(encode_request("connection.close", key_text(2), {}).decode())
    except (InvalidHandshake, InvalidURI) as error:
        raise Unavailable(f"{where} does not speak {SUBPROTOCOL} at {url}: {error}") from None
    except ProtocolError as error:
        raise Unavailable(f"{where} answered with something that is not {SUBPROTOCOL}: {error}") from None
    except (OSError, WebSocketException) as error:
        raise Unavailable(
            f"{where} was reached but did not answer as a pod does: {error or type(error).__name__}"
        ) from None
    _judge(reply, where, account)


def _reach(host: str, port: int) -> None:
    try:
        socket.create_connection((host, port), timeout=TRY_FOR_S).close()
    except socket.gaierror as error:
        raise Unavailable(f"{host}:{port}: no such host ({error.strerror}): check --target") from None
    except OSError as error:
        why = error.strerror or "no answer in time"
        raise Unavailable(f"nothing answers at {host}:{port} ({why}): start the pod, or correct --target") from None


def _judge(reply: object, where: str, account: str) -> None:
    if not isinstance(reply, Reply):
        raise Unavailable(f"{where} pushed an event before it had answered")
    if reply.error == "unauthorized":
        raise BadInput(
            f"{where} does not take the token of {account}: set LOADTESTS_TOKEN_SECRET to the secret that the pod uses"
        )
    if reply.outcome != "ok":
        raise Unavailable(f"{where} refused a connection: {reply.error}")
