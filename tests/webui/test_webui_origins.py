"""Which requests may reach the web UI, by their headers alone."""

import pytest

from loadtests.webui.origins import hosts_of, is_host_name, refusal_of

HOSTS = hosts_of("127.0.0.1", ["ui.example"], [])
OURS = "http://127.0.0.1:8089"


def request(method: str = "GET", host: str | None = "127.0.0.1:8089", **headers: str) -> dict[str, str]:
    named = {} if host is None else {"HTTP_HOST": host}
    more = {f"HTTP_{name.upper()}": value for name, value in headers.items()}
    return {"REQUEST_METHOD": method, "wsgi.url_scheme": "http", **named, **more}


@pytest.mark.parametrize(
    "host", ["127.0.0.1:8089", "127.0.0.1", "localhost:9000", "LOCALHOST", "[::1]:8089", "[0:0::1]", "ui.example"]
)
def test_names_of_the_web_ui_are_allowed_with_any_port(host: str) -> None:
    assert refusal_of(request(host=host), HOSTS) is None
    assert refusal_of(request("POST", host=host, origin=f"http://{host}"), HOSTS) is None


@pytest.mark.parametrize(
    "host",
    [
        "rebound.example:8089",
        "localhost.rebound.example",
        "127.0.0.1.rebound.example",
        "127.0.0.1:8089,rebound.example",
        "rebound.example:80@127.0.0.1",
        "127.0.0.1@rebound.example",
        "127.0.0.1:8089 ",
        "127.0.0.1:",
        "127.0.0.1:x",
        "0.0.0.0:8089",
        "192.0.2.1:8089",
        "::1",
        "[::1",
        "localhost.",
        "2130706433",
        "\x1b[2J",
        "",
        None,
    ],
)
def test_other_hosts_are_refused(host: str | None) -> None:
    refusal = refusal_of(request(host=host), HOSTS)
    assert refusal is not None
    assert refusal.status == 403
    assert "127.0.0.1, localhost, ::1, ui.example" in refusal.message
    assert refusal.message.isprintable()


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "OPTIONS"])
@pytest.mark.parametrize(
    "origin",
    [
        "http://attacker.example",
        "http://127.0.0.1:9999",
        "http://127.0.0.1",
        "http://localhost:8089",
        "http://127.0.0.1:8089.attacker.example",
        "http://127.0.0.1:8089, http://127.0.0.1:8089",
        "ftp://127.0.0.1:8089",
        "null",
        "",
    ],
)
def test_other_origins_are_refused_whatever_the_method(method: str, origin: str) -> None:
    refusal = refusal_of(request(method, origin=origin), HOSTS)
    assert refusal is not None
    assert refusal.status == 403


@pytest.mark.parametrize("site", ["cross-site", "same-site", "anything"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_requests_of_other_pages_are_refused_without_an_origin(site: str, method: str) -> None:
    refusal = refusal_of(request(method, sec_fetch_site=site), HOSTS)
    assert refusal is not None
    assert refusal.status == 403


def test_own_page_and_typed_address_are_allowed() -> None:
    assert refusal_of(request("POST", origin=OURS, sec_fetch_site="same-origin"), HOSTS) is None
    assert refusal_of(request(sec_fetch_site="none", sec_fetch_mode="navigate"), HOSTS) is None


def test_plain_page_is_no_origin_of_a_web_ui_with_tls() -> None:
    behind = request("POST", host="ui.example", origin="https://ui.example")
    assert refusal_of(behind, HOSTS) is None
    plain = request("POST", origin=OURS) | {"wsgi.url_scheme": "https"}
    assert refusal_of(plain, HOSTS) is not None


def test_only_a_clicked_link_is_a_navigation() -> None:
    link = {"sec_fetch_site": "cross-site", "sec_fetch_mode": "navigate", "sec_fetch_dest": "document"}
    clicked = refusal_of(request(**link), HOSTS)
    assert clicked is not None
    assert clicked.navigation
    for other in (request("POST", **link), request(**link | {"sec_fetch_dest": "iframe"})):
        refused = refusal_of(other, HOSTS)
        assert refused is not None
        assert not refused.navigation


@pytest.mark.parametrize("method", ["OPTIONS", "PUT", "DELETE", "PATCH", "TRACE", "CONNECT", "FOO"])
def test_other_methods_are_refused(method: str) -> None:
    refusal = refusal_of(request(method), HOSTS)
    assert refusal is not None
    assert refusal.status == 405


def test_every_interface_answers_under_own_addresses() -> None:
    for bound in ("0.0.0.0", "*", "", "::"):
        hosts = hosts_of(bound, [], ["192.0.2.7", "2001:db8::7"])
        assert all(host in hosts for host in ("192.0.2.7:8089", "[2001:db8::7]:8089", "localhost"))
        assert "192.0.2.8:8089" not in hosts
    one = hosts_of("192.0.2.7", [], ["192.0.2.7"])
    assert "192.0.2.7" in one
    assert "localhost" not in one


@pytest.mark.parametrize(
    ("text", "valid"),
    [("ui.example", True), ("192.0.2.7", True), ("::1", True), ("", False), ("ui.example:80", False),
     ("http://ui.example", False), ("*", False), ("a b", False), ("[::1]", False)],
)  # fmt: skip
def test_allowed_host_is_a_name_without_a_port(text: str, valid: bool) -> None:
    assert is_host_name(text) is valid
