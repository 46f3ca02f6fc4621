"""Actions of the user's own: a command, an HTTP call."""

import asyncio
import json
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import IO, Any, ClassVar, Final, Literal
from urllib.parse import parse_qsl, urlsplit

from pydantic import Field

from loadtests.configuration.problems import REFERENCE_EXPECTED, Finding, is_literal_secret, shown
from loadtests.configuration.values import LongerThanNothing
from loadtests.credentials import without_credentials
from loadtests.destinations import is_loopback, is_owned
from loadtests.environment import user_environment, user_umask, user_variables
from loadtests.timeline.actions.contract import TimelineAction
from loadtests.timeline.context import ActionContext, ActionFailed, Found
from loadtests.timeline.control import call, references

_LOG_TAIL: Final = 500


class RunCommand(TimelineAction):
    """Runs a command on this host, without a shell."""

    default_subject: ClassVar[str] = "yours"
    allowed_on_targets: ClassVar[bool] = True

    do: Literal["run"]
    command: tuple[str, ...] = Field(min_length=1, strict=False, description="Program and arguments; no shell.")
    within_s: LongerThanNothing = Field(default=60.0, alias="within")

    @property
    def words(self) -> str:
        return f"{self.command[0]} run"

    @property
    def program(self) -> str:
        return self.command[0]

    def check_host(self, hosts_owned: Sequence[str]) -> Iterator[Finding]:  # noqa: ARG002
        if shutil.which(self.program) is None:
            yield Finding(("command",), shown(self.program), "a program that can be run, by its path or on PATH")

    async def perform(self, context: ActionContext) -> Found:
        with tempfile.TemporaryFile() as output:
            process = await asyncio.create_subprocess_exec(
                *self.command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=asyncio.subprocess.STDOUT,
                env=user_environment(),
                umask=user_umask(),
                start_new_session=True,
            )
            try:
                async with context.control.ends_with_run(process.pid), asyncio.timeout(self.within_s):
                    code = await process.wait()
            finally:
                if process.returncode is None:
                    with suppress(ProcessLookupError):
                        os.killpg(process.pid, signal.SIGKILL)
                    await process.wait()
            if code != 0:
                raise ActionFailed(f"{self.program} ended with exit code {code}{_tail(output)}")
        return {"exit_code": 0}


def _tail(output: IO[bytes]) -> str:
    output.seek(max(output.seek(0, os.SEEK_END) - 4 * _LOG_TAIL, 0))
    last = output.read(4 * _LOG_TAIL).decode(errors="replace").strip()[-_LOG_TAIL:]
    return f": {last}" if last else ""


class Http(TimelineAction):
    """Sends an HTTP request; any status below 400 is success."""

    default_subject: ClassVar[str] = "yours"
    allowed_on_targets: ClassVar[bool] = True

    do: Literal["http"]
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] = "POST"
    url: str = Field(min_length=1, max_length=2000)
    headers: dict[str, str] = Field(default_factory=dict, description="Secrets only as ${env:NAME}.")
    body: str = Field(default="", max_length=100_000)
    within_s: LongerThanNothing = Field(default=10.0, alias="within")

    @property
    def words(self) -> str:
        return f"{self.method} {without_credentials(self.url).partition('?')[0]}"

    @property
    def called_url(self) -> str:
        return self.url

    @classmethod
    def check_written(cls, written: Mapping[str, Any]) -> Iterator[Finding]:
        """Literal secrets, by their keys, in the query and in a JSON body."""
        url, body = written.get("url"), written.get("body")
        if isinstance(url, str) and any(is_literal_secret(k, v) for k, v in parse_qsl(url.partition("?")[2])):
            yield Finding(("url",), "a literal secret", REFERENCE_EXPECTED)
        if isinstance(body, str) and any(is_literal_secret(k, v) for k, v in _members(body)):
            yield Finding(("body",), "a literal secret", REFERENCE_EXPECTED)

    def check_host(self, hosts_owned: Sequence[str]) -> Iterator[Finding]:
        yield from _check_url(self.url, hosts_owned)
        texts: dict[tuple[str, ...], str] = {("url",): self.url, ("body",): self.body}
        texts |= {("headers", header): value for header, value in self.headers.items()}
        for place, text in texts.items():
            for name in references(text):
                if name not in user_variables():
                    yield Finding(place, f"${{env:{name}}}", f"{name} set in the environment")

    async def perform(self, context: ActionContext) -> Found:
        return await call(self.method, self.url, self.headers, self.body, self.within_s, context.networks)


def _members(text: str) -> list[tuple[str, Any]]:
    """The members of a JSON object; none of other text."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return []
    return list(found.items()) if isinstance(found, dict) else []


def _check_url(url: str, hosts_owned: Sequence[str]) -> Iterator[Finding]:
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "") if parts.scheme in ("http", "https") and parts.port != 0 else ""
    except ValueError:  # no port, or no address in brackets
        host = ""
    if not host or any(c <= " " or c == "\x7f" for c in url):
        yield Finding(("url",), shown(url), "http://HOST/… or https://HOST/…, a port from 1 to 65535, no spaces")
    elif parts.username is not None or parts.password is not None:
        yield Finding(("url",), "a user in the address", "credentials in headers, as ${env:NAME}")
    elif not is_loopback(host) and not is_owned(host, hosts_owned):
        expected = f"this machine, or a host that you own: if it is yours, say --i-own {host}"
        yield Finding(("url",), host, expected)
