"""What the web UI needs before it may listen somewhere.

Checked on the command line, before workers are forked or a port is opened.
"""

from argparse import Namespace
from collections.abc import Iterator
from typing import Any, Final

from loadtests.destinations import is_loopback
from loadtests.sanitize import printable
from loadtests.webui.origins import EVERY_INTERFACE, is_host_name
from loadtests.webui.passwords import FILE_OPTION, HOW_TO, PasswordError, read_password

_COMMAND_LINE_ONLY: Final = ("allow_commands", "allowed_host", "build_path", "i_own")
"""Permissions: a settings file of the working directory may have come from elsewhere."""


def problems_of_exposure(options: Namespace) -> list[str]:
    """Why no web UI may be started with these options of Locust, one sentence each."""
    if options.worker or (options.headless and not options.headful):
        return []
    return [*problems_of_access(options), *_problems_of_password(options)]


def problems_of_access(options: Namespace) -> list[str]:
    """What is wrong without the password, which may be read once only."""
    return [*_problems_of_host(options), *_problems_of_names(options.allowed_host)]


def problems_of_sources(parser: Any) -> list[str]:
    """Permissions that a settings file gives, of a parser that has parsed."""
    sources = parser.get_source_to_settings_dict()
    in_files = [settings for source, settings in sources.items() if source.startswith("config_file")]
    given = {action.dest for settings in in_files for action, _ in settings.values() if action is not None}
    return [
        f"--{name.replace('_', '-')} is refused in a settings file such as locust.conf: give it on the command line"
        for name in _COMMAND_LINE_ONLY
        if name in given
    ]


def address_of(options: Namespace) -> str:
    """Where this host's browser finds the web UI."""
    host = "127.0.0.1" if options.web_host in EVERY_INTERFACE else options.web_host
    scheme = "https" if options.tls_cert and options.tls_key else "http"
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{options.web_port}"


def note_of_exposure(options: Namespace) -> str:
    """A notice about a web UI that other hosts can reach; empty for loopback."""
    if is_loopback(options.web_host.lower()):
        return ""
    place = "every interface" if options.web_host in EVERY_INTERFACE else options.web_host
    note = f"the web UI listens on {place} and requires a password"
    if options.tls_cert and options.tls_key:
        return note
    return (
        f"{note}; password and cookies cross the network unencrypted: use --tls-cert and --tls-key, or a proxy with TLS"
    )


def _problems_of_host(options: Namespace) -> Iterator[str]:
    if is_loopback(options.web_host.lower()) or options.web_login:
        return
    yield (
        f"--web-host {printable(options.web_host) or repr('')}: other hosts could reach the web UI, which starts load "
        f"with your secrets. Add --web-login ({HOW_TO}), or leave --web-host out and use a tunnel: "
        f"ssh -L {options.web_port}:127.0.0.1:{options.web_port} HOST"
    )


def _problems_of_password(options: Namespace) -> Iterator[str]:
    if not options.web_login:
        if options.web_password_file:
            yield f"{FILE_OPTION} needs --web-login"
        return
    try:
        read_password(options.web_password_file)
    except PasswordError as error:
        yield f"--web-login: {error}"


def _problems_of_names(names: list[str]) -> Iterator[str]:
    for name in names:
        if not is_host_name(name):
            yield f"--allowed-host {printable(name)}: expected a host's name or address, without scheme and port"
