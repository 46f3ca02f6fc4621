"""Calls: to the control endpoint of our pods, and to the addresses that a scenario's `http:` names.

No redirects, no proxies, to no address but those that the host may stand for, ended at a deadline. http.client follows
no redirect and knows no proxy. What it has no limit for, an answer that never comes to its end, is ended from outside:
`abandon` shuts the connection down, and its thread with it.
"""

import asyncio
import json
import re
import socket
import ssl
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from functools import cache
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import Any, Final, NamedTuple
from urllib.parse import SplitResult, urlsplit

from loadtests.credentials import redact
from loadtests.destinations import AddressRefused, permitted
from loadtests.environment import user_variables
from loadtests.sanitize import sanitize
from loadtests.timeline.context import ActionFailed, PodHandle

CONTROL_WITHIN_S = 65.0
"""A little more than the pod's own limit for moving accounts."""

_MOST_BYTES: Final = 65_536
_MAX_ERROR_BYTES: Final = 2000
_LONGEST_DETAIL: Final = 200
_REFERENCE: Final = re.compile(r"\$\{env:([A-Za-z_]\w*)\}")


class HttpAnswer(NamedTuple):
    """`text` is the beginning of the body, of an error (400 and above) in any case."""

    status: int
    text: str


class HttpCall:
    """One request. `networks`: where the host may be, anywhere when empty. Raises ValueError for an unusable port."""

    def __init__(self, parts: SplitResult, timeout_s: float, networks: Sequence[str] = ()) -> None:
        self._target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._networks = tuple(networks)
        self._connection = _connection(parts, timeout_s, self._connect)
        self._socket: socket.socket | None = None
        self._abandoned = False

    def make(self, method: str, headers: Mapping[str, str], body: bytes | None, most_bytes: int) -> HttpAnswer:
        """The answer, its text at most `most_bytes` long. Raises AddressRefused, OSError, HTTPException, ValueError."""
        try:
            self._connection.request(method, self._target, body, _completed(headers, body))
            return _answer(self._connection.getresponse(), most_bytes)
        finally:
            self._connection.close()
            if self._socket is not None:
                self._socket.close()

    def abandon(self) -> None:
        """Ends the call from another thread, wherever it is."""
        self._abandoned = True
        with suppress(OSError):
            if self._socket is not None:
                self._socket.shutdown(socket.SHUT_RDWR)

    def _connect(self, address: tuple[str, int], timeout_s: float, _source: Any) -> socket.socket:
        connected = _connected(*address, timeout_s, self._networks)
        # TLS takes the socket's descriptor, and the connection drops it with the head of an answer.
        self._socket = connected.dup()
        if self._abandoned:
            connected.close()
            raise TimeoutError
        return connected


async def control(pod: PodHandle, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """The pod's answer to a POST. Raises ActionFailed with the pod's own words."""
    where, secrets = f"pod {pod.name}, POST {path}", [pod.control_token]
    headers = {"Authorization": f"Bearer {pod.control_token}", "Content-Type": "application/json"}
    made = _CallOnThread(HttpCall(_split(pod.control_url + path), CONTROL_WITHIN_S), where, secrets)
    answer: dict[str, Any] = json.loads(
        (await made.answer("POST", headers, json.dumps(body).encode(), _MOST_BYTES)).text
    )
    return answer


async def call(  # noqa: PLR0913, PLR0917  what a call is made of
    method: str,
    url: str,
    headers: Mapping[str, str],
    body: str,
    within_s: float,
    networks: Mapping[str, Sequence[str]] | None = None,
) -> dict[str, Any]:
    """A user's own call; `${env:NAME}` stands for the environment's value. `networks`: where hosts may be. The body of
    the answer is read of an error only. Raises ActionFailed, TimeoutError."""
    host = urlsplit(url).hostname
    where = f"{method} {host}"  # of the address as it is written down, without what is secret in it
    secrets = [
        from_environment(f"${{env:{name}}}") for text in (url, body, *headers.values()) for name in references(text)
    ]
    sent = {name: from_environment(value) for name, value in headers.items()}
    data = from_environment(body).encode() if body else None
    try:
        to = _split(from_environment(url))
        prepared = HttpCall(to, within_s, (networks or {}).get(host or "", ()))
    except ValueError as error:
        raise ActionFailed(f"{where}: {type(error).__name__}") from None
    if to.hostname != host:
        raise ActionFailed(f"{where}: a variable of the environment names another host: write the host in the scenario")
    async with asyncio.timeout(within_s):
        answer = await _CallOnThread(prepared, where, secrets).answer(method, sent, data, 0)
    return {"status": answer.status}


def _split(url: str) -> SplitResult:
    """Raises ValueError, also for characters that `urlsplit` drops without a word."""
    if any(c <= " " or c == "\x7f" for c in url):
        raise ValueError("the address has spaces or control characters")
    return urlsplit(url)


class _CallOnThread:
    """A call on a thread of its own, for which no other waits, should it hang."""

    def __init__(self, made: HttpCall, where: str, secrets: Sequence[str]) -> None:
        self._call, self._where, self._secrets = made, where, secrets

    async def answer(self, method: str, headers: Mapping[str, str], body: bytes | None, most_bytes: int) -> HttpAnswer:
        """The answer to a call that was not refused. Raises ActionFailed; ends the call when it is cancelled."""
        answered: Future[HttpAnswer] = Future()
        answered.set_running_or_notify_cancel()  # from now on only the thread ends it

        def work() -> None:
            try:
                answered.set_result(self._made(method, headers, body, most_bytes))
            except Exception as error:
                answered.set_exception(error)

        threading.Thread(target=work, name="call", daemon=True).start()
        try:
            return await asyncio.wrap_future(answered)
        except BaseException:
            self._call.abandon()
            raise

    def _made(self, method: str, headers: Mapping[str, str], body: bytes | None, most_bytes: int) -> HttpAnswer:
        try:
            answer = self._call.make(method, headers, body, most_bytes)
        except AddressRefused as refused:
            raise ActionFailed(f"{self._where}: {refused}") from None
        except OSError as error:
            raise ActionFailed(f"{self._where}: {self._clean(str(error)) or type(error).__name__}") from None
        except (HTTPException, ValueError) as error:  # their texts quote headers and addresses
            raise ActionFailed(f"{self._where}: {type(error).__name__}") from None
        if answer.status >= HTTPStatus.BAD_REQUEST:
            raise ActionFailed(f"{self._where}: {self._refusal(answer)}")
        return answer

    def _refusal(self, answer: HttpAnswer) -> str:
        if answer.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            return f"answered {answer.status}: it does not take this token"
        text = answer.text.strip()
        with suppress(ValueError, AttributeError, RecursionError):
            answered = json.loads(text)
            text = str(answered.get("detail") or answered.get("error") or text)
        text = self._clean(text)
        return f"answered {answer.status}: {text}" if text else f"answered {answer.status}"

    def _clean(self, text: str) -> str:
        """Without what was sent in secret, which a server may quote, and safe to show."""
        return sanitize(redact(text, self._secrets), _LONGEST_DETAIL)


def from_environment(text: str) -> str:
    """Raises ActionFailed when a variable is not set."""
    variables = user_variables()

    def value(match: re.Match[str]) -> str:
        if match[1] not in variables:
            raise ActionFailed(f"the environment has no {match[1]}, which ${{env:{match[1]}}} stands for")
        return variables[match[1]]

    return _REFERENCE.sub(value, text)


def references(text: str) -> list[str]:
    """The variables of the environment that a text needs."""
    return _REFERENCE.findall(text)


def _answer(response: HTTPResponse, most_bytes: int) -> HttpAnswer:
    wanted = most_bytes if response.status < HTTPStatus.BAD_REQUEST else _MAX_ERROR_BYTES
    return HttpAnswer(response.status, response.read(wanted).decode(errors="replace") if wanted else "")


def _completed(headers: Mapping[str, str], body: bytes | None) -> dict[str, str]:
    given = {name.lower() for name in headers}
    added = {"Connection": "close", "User-Agent": "loadtests"}
    if body is not None:
        added["Content-Type"] = "application/x-www-form-urlencoded"
    return {**{name: value for name, value in added.items() if name.lower() not in given}, **headers}


def _connection(parts: SplitResult, timeout_s: float, connect: Callable[..., socket.socket]) -> HTTPConnection:
    connection: Any
    if parts.scheme == "https":
        connection = HTTPSConnection(parts.hostname or "", parts.port, timeout=timeout_s, context=_tls())
    else:
        connection = HTTPConnection(parts.hostname or "", parts.port, timeout=timeout_s)
    connection._create_connection = connect
    return connection  # type: ignore[no-any-return]


@cache
def _tls() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.options |= ssl.OP_NO_RENEGOTIATION
    return context


def _connected(host: str, port: int, timeout_s: float, networks: tuple[str, ...]) -> socket.socket:
    """A connection to the first address that accepts one. Raises AddressRefused, OSError."""
    found = dict.fromkeys(str(info[4][0]) for info in socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM))
    allowed = permitted(host, tuple(found), networks)
    failure: OSError = OSError(f"{host} has no address")
    for one in (one for one in found if one in allowed):
        try:
            return socket.create_connection((one, port), timeout_s)
        except OSError as error:
            failure = error
    raise failure
