"""Calls: to the control endpoint of our pods, and to whatever a scenario's `http:` names."""

import asyncio
import json
import re
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from http import HTTPStatus
from http.client import HTTPException
from typing import Any, TypeVar
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, ProxyHandler, Request, build_opener

from loadtests.environment import user_variables
from loadtests.timeline.surroundings import ActionFailed, Pod

T = TypeVar("T")

CONTROL_WITHIN_S = 65.0
"""A little more than the pod's own limit for moving accounts."""

_MOST_BYTES = 65_536
_REFERENCE = re.compile(r"\$\{env:([A-Za-z_]\w*)\}")


class _NoRedirects(HTTPRedirectHandler):
    """A call goes where it was told to, with its secrets, and nowhere else."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


_opener = build_opener(ProxyHandler({}), _NoRedirects)


async def control(pod: Pod, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """The pod's answer to a POST. Raises ActionFailed with the pod's own words."""
    headers = {"Authorization": f"Bearer {pod.control_token}", "Content-Type": "application/json"}
    request = Request(pod.control_url + path, json.dumps(body).encode(), headers, method="POST")  # noqa: S310
    _, said = await _apart(lambda: _call(request, CONTROL_WITHIN_S, f"pod {pod.name}, POST {path}", _MOST_BYTES))
    answer: dict[str, Any] = json.loads(said)
    return answer


async def call(method: str, url: str, headers: Mapping[str, str], body: str, within_s: float) -> dict[str, Any]:
    """A user's own call; `${env:NAME}` stands for the environment's value. The body of the answer is not read. Raises
    ActionFailed, TimeoutError."""
    where = f"{method} {urlsplit(url).hostname}"  # of the address as it is written down, without what is secret in it
    sent = {name: from_environment(value) for name, value in headers.items()}
    data = from_environment(body).encode() if body else None
    try:
        request = Request(from_environment(url), data, sent, method=method)  # noqa: S310  checked before the run
    except ValueError as error:
        raise ActionFailed(f"{where}: {type(error).__name__}") from None
    async with asyncio.timeout(within_s):
        status, _ = await _apart(lambda: _call(request, within_s, where, 0))
    return {"status": status}


async def _apart(call: Callable[[], T]) -> T:
    """Makes a blocking call on a thread that nobody has to wait for, should it hang."""
    loop = asyncio.get_running_loop()
    answered: asyncio.Future[T] = loop.create_future()

    def settle(settled: Callable[[Any], None], what: Any) -> None:
        if not answered.done():
            settled(what)

    def work() -> None:
        try:
            done: tuple[Callable[[Any], None], Any] = (answered.set_result, call())
        except Exception as error:
            done = (answered.set_exception, error)
        with suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(settle, *done)

    threading.Thread(target=work, name="call", daemon=True).start()
    return await answered


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


def _call(request: Request, within_s: float, where: str, most_bytes: int) -> tuple[int, str]:
    try:
        with _opener.open(request, timeout=within_s) as answer:
            return int(answer.status), answer.read(most_bytes).decode(errors="replace") if most_bytes else ""
    except HTTPError as error:
        if error.code < HTTPStatus.BAD_REQUEST:  # a redirect, which is not followed
            return error.code, ""
        raise ActionFailed(f"{where}: {_refusal(error)}") from None
    except (URLError, OSError) as error:
        reason = getattr(error, "reason", error)
        raise ActionFailed(f"{where}: {reason or type(error).__name__}") from None
    except (HTTPException, ValueError) as error:  # their words quote headers and addresses
        raise ActionFailed(f"{where}: {type(error).__name__}") from None


def _refusal(error: HTTPError) -> str:
    if error.code in (401, 403):
        return f"answered {error.code}: it does not take this token"
    said = error.read(2_000).decode(errors="replace").strip()
    try:
        told = json.loads(said)
        said = str(told.get("detail") or told.get("error") or said)
    except (ValueError, AttributeError):
        pass
    return f"answered {error.code}: {said[:200]}" if said else f"answered {error.code}"
