"""Attacks on every route of the web UI, in process.

Locust's own routes, ours, static files, and paths that are no route.
"""

import re
from argparse import Namespace
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Response
from flask.testing import FlaskClient
from locust import argument_parser
from locust.env import Environment
from locust.web import WebUI
from werkzeug.test import TestResponse

from loadtests.webui.guard import LONGEST_BODY
from loadtests.webui.locustpage import _without_formulas
from loadtests.webui.login import MOST_FAILURES
from loadtests.webui.protection import protect

PASSWORD = "correct horse battery"
CANARY = "canary-4711"
OURS = "http://127.0.0.1:8089"
OTHERS: list[dict[str, str]] = [
    {"Host": "rebound.example:8089", "Origin": "http://rebound.example:8089"},
    {"Host": "rebound.example:8089"},
    {"Origin": "http://attacker.example"},
    {"Origin": "http://127.0.0.1:9999"},
    {"Origin": "null"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
]


def app_of(*, login: bool) -> Any:
    options = Namespace(
        web_host="127.0.0.1", web_port=8089, web_login=login, web_password_file="", allowed_host=[], tls_cert="",
        tls_key="", web_base_path="", num_users=1, spawn_rate=1, run_time=None, stats_history_enabled=False,
    )  # fmt: skip
    environment = Environment(user_classes=[], parsed_options=options, host=CANARY)
    environment.create_local_runner()
    ui = WebUI(environment, "127.0.0.1", 8089, delayed_start=True, web_login=login)
    protect(ui, options)
    return ui.app


@pytest.fixture(autouse=True)
def command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Locust parses it for its page; `protect` replaces how."""
    monkeypatch.setattr("sys.argv", ["locust"])
    monkeypatch.setattr(argument_parser, "ui_extra_args_dict", argument_parser.ui_extra_args_dict)


@pytest.fixture
def app() -> Any:
    return app_of(login=False)


@pytest.fixture
def guarded(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("LOADTESTS_WEB_PASSWORD", PASSWORD)
    return app_of(login=True)


def routes(app: Any) -> Iterator[tuple[str, str]]:
    """Every method and path, and some that are no route."""
    for rule in app.url_map.iter_rules():
        path = re.sub(r"<[^>]*>", "favicon-light.png", rule.rule)
        yield from ((method, path) for method in sorted(rule.methods - {"OPTIONS"}))
    yield from (("GET", "/no-such"), ("POST", "/no-such"), ("GET", "/assets/no-such"))


def sent(client: FlaskClient, method: str, path: str, **headers: str) -> TestResponse:
    headers = {"Host": "127.0.0.1:8089", **headers}
    return client.open(path, method=method, headers=headers, base_url=OURS)


def token_of(client: FlaskClient) -> str:
    answer = sent(client, "GET", "/run/token")
    return str(answer.get_json()["token"]) if answer.is_json else ""


@pytest.mark.parametrize("headers", OTHERS, ids=str)
def test_no_route_answers_other_hosts_and_origins(app: Any, headers: dict[str, str]) -> None:
    client = app.test_client()
    token = token_of(client)
    assert token
    for method, path in routes(app):
        answer = sent(client, method, path, **{"X-CSRF-Token": token}, **headers)
        assert answer.status_code == 403, (method, path)
        assert "Set-Cookie" not in answer.headers
        assert CANARY not in answer.text
        assert token not in answer.text


@pytest.mark.parametrize("headers", OTHERS, ids=str)
def test_preflight_of_other_origins_is_refused(app: Any, headers: dict[str, str]) -> None:
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-csrf-token"}
    for _, path in routes(app):
        assert sent(app.test_client(), "OPTIONS", path, **headers, **asked).status_code in (403, 405)


def test_every_answer_has_the_headers_of_the_guard(app: Any) -> None:
    client = app.test_client()
    answers = [sent(client, method, path) for method, path in routes(app)]
    answers += [sent(client, "GET", "/", **headers) for headers in OTHERS]
    assert {200, 302, 403, 404} <= {answer.status_code for answer in answers}
    for answer in answers:
        where = answer.request.path if answer.request else ""
        assert not [name for name, _ in answer.headers if name.lower().startswith("access-control")], where
        assert answer.headers["X-Frame-Options"] == "DENY", where
        assert answer.headers["X-Content-Type-Options"] == "nosniff", where
        assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin", where
        assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"], where
        assert "base-uri 'none'" in answer.headers["Content-Security-Policy"], where


def test_no_post_is_taken_without_the_token_of_its_session(app: Any) -> None:
    stranger, client = app.test_client(), app.test_client()
    other = token_of(stranger)
    token = token_of(client)
    assert other != token
    posts = [path for method, path in routes(app) if method == "POST"]
    assert {"/swarm", "/stop", "/stats/reset", "/user"} <= set(posts)
    for path in posts:
        for given in ({}, {"X-CSRF-Token": ""}, {"X-CSRF-Token": other}, {"X-CSRF-Token": f"{token}x"}):
            answer = sent(client, "POST", path, Origin=OURS, **given)
            assert answer.status_code == 403, (path, given)
            assert token not in answer.text
        without_cookie = sent(app.test_client(use_cookies=False), "POST", path, **{"X-CSRF-Token": token})
        assert without_cookie.status_code == 403, path


def test_token_is_taken_as_header_or_field(app: Any) -> None:
    client = app.test_client()
    token = token_of(client)
    assert sent(client, "POST", "/stop", **{"X-CSRF-Token": token}).status_code == 200
    answer = client.post("/stop", data={"csrf_token": token}, base_url=OURS)
    assert answer.status_code == 200
    assert client.get(f"/stop?csrf_token={token}", base_url=OURS).status_code == 405


def test_session_cookie_is_out_of_reach_of_other_sites(app: Any) -> None:
    (cookie,) = sent(app.test_client(), "GET", "/run/token").headers.getlist("Set-Cookie")
    assert cookie.startswith("loadtests-8089=")
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(cookie.split("; "))


def test_no_get_changes_anything(app: Any) -> None:
    changing = {"/swarm", "/stop", "/stats/reset", "/user"}
    for method, path in routes(app):
        if path in changing:
            assert method == "POST", (method, path)


@pytest.mark.parametrize(
    "path",
    [
        "/assets/../index.html", "/assets/%2e%2e/index.html", "/assets/..%2findex.html", "/assets/%2e%2e%2findex.html",
        "/assets//etc/hostname", "/assets/%2fetc%2fhostname", "/assets/..\\..\\index.html", "/assets/....//index.html",
        "/assets/%00", "/static/../../web.py", "/static/%2e%2e/web.py", "/assets/src/../../../web.py",
    ],
)  # fmt: skip
def test_no_path_leads_out_of_the_assets(app: Any, path: str) -> None:
    answer = app.test_client().get(path, base_url=OURS, follow_redirects=True)
    assert answer.status_code == 404
    assert "<script" not in answer.text
    assert "import" not in answer.text


def test_exception_of_a_view_shows_nothing_of_itself(app: Any) -> None:
    def failing() -> None:
        raise RuntimeError(CANARY)

    for endpoint in ("locust.tasks", "protection.token"):
        app.view_functions[endpoint] = failing
    for path in ("/tasks", "/run/token"):
        answer = sent(app.test_client(), "GET", path)
        assert answer.status_code == 500
        assert CANARY not in answer.text
        assert "Traceback" not in answer.text
    assert not app.debug


def test_endless_body_is_refused(app: Any) -> None:
    client = app.test_client()
    token = token_of(client)
    data = {"csrf_token": token, "scenario": "x" * LONGEST_BODY}
    assert client.post("/swarm", data=data, base_url=OURS).status_code == 413


def test_downloaded_tables_have_no_formulas(app: Any) -> None:
    table = _without_formulas(
        Response('Name,Error\n=cmd|x,"+1, ""a"""\na,"\t@SUM(1)"\nb,5\n-1,c\n\uff1dcmd|x,d\n\x1f=1,e\x1b[2J\n')
    )
    assert table.get_data(as_text=True).splitlines() == [
        "Name,Error", "'=cmd|x,\"'+1, \"\"a\"\"\"", "a,'\t@SUM(1)", "b,5", "'-1,c",
        "'\uff1dcmd|x,d", "'\ufffd=1,e\ufffd[2J",
    ]  # fmt: skip


def test_link_of_another_site_shows_a_page_without_content(app: Any) -> None:
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    answer = sent(app.test_client(), "GET", "/", **link)
    assert answer.status_code == 403
    assert "Set-Cookie" not in answer.headers, "the session goes on"
    assert "<script" not in answer.text
    assert '<a href="">' in answer.text


# With a log-in.


def logged_in(app: Any) -> FlaskClient:
    client: FlaskClient = app.test_client()
    answer = tried(client, PASSWORD)
    assert answer.status_code == 303
    return client


def tried(client: FlaskClient, password: str, path: str = "/login", **environ: str) -> TestResponse:
    token = re.search(r'name="csrf_token" value="([^"]+)"', client.get("/login", base_url=OURS).text)
    data = {"csrf_token": token[1] if token else "", "password": password}
    return client.post(path, data=data, base_url=OURS, environ_overrides=environ)


def test_no_route_but_the_login_answers_without_a_login(guarded: Any) -> None:
    client = guarded.test_client()
    client.get("/login", base_url=OURS)
    with client.session_transaction(base_url=OURS) as session:
        token = session["token"]
    for method, path in routes(guarded):
        if path != "/login":
            answer = sent(client, method, path, **{"X-CSRF-Token": token})
            assert answer.status_code == 401, (method, path)
            assert CANARY not in answer.text
    for path in ("/", "/run", "/stats/report", "/assets/favicon-light.png", "/no-such"):
        page = sent(client, "GET", path, Accept="text/html")
        assert (page.status_code, page.headers["Location"]) == (302, "/login"), path


def test_right_password_opens_everything(guarded: Any) -> None:
    client = logged_in(guarded)
    assert sent(client, "GET", "/").status_code == 200
    assert sent(client, "GET", "/assets/favicon-light.png").status_code == 200
    assert sent(client, "GET", "/login").status_code == 302


def test_wrong_password_opens_nothing_and_is_not_repeated(guarded: Any) -> None:
    client = guarded.test_client()
    answer = tried(client, CANARY)
    assert answer.status_code == 403
    assert "The password is wrong." in answer.text
    assert CANARY not in answer.text
    assert sent(client, "GET", "/run/token").status_code == 401


def test_guessing_is_slowed_down_even_with_new_sessions(guarded: Any) -> None:
    for _ in range(MOST_FAILURES):
        assert tried(guarded.test_client(), "wrong").status_code == 403
    answer = tried(guarded.test_client(), PASSWORD)
    assert answer.status_code == 429
    assert 0 < int(answer.headers["Retry-After"]) <= 60
    elsewhere = tried(guarded.test_client(), PASSWORD, REMOTE_ADDR="192.0.2.1")
    assert elsewhere.status_code == 303
    spoofed = guarded.test_client()
    spoofed.environ_base["HTTP_X_FORWARDED_FOR"] = "192.0.2.2"
    assert tried(spoofed, PASSWORD).status_code == 429


@pytest.mark.parametrize("place", ["//attacker.example", "https://attacker.example", "/\\attacker.example", "/swarm"])
def test_login_leads_to_the_page_wherever_it_was_asked_to_lead(guarded: Any, place: str) -> None:
    client = guarded.test_client()
    answer = tried(client, PASSWORD, f"/login?next={place}")
    assert answer.headers["Location"] == "/"
    assert client.get(f"/login?next={place}", base_url=OURS).headers["Location"] == "/"


def test_login_needs_the_token_of_its_own_session(guarded: Any) -> None:
    attacker, victim = guarded.test_client(), guarded.test_client()
    attacker.get("/login", base_url=OURS)
    with attacker.session_transaction(base_url=OURS) as session:
        token = session["token"]
    for client in (victim, guarded.test_client(use_cookies=False)):
        client.get("/login", base_url=OURS)
        answer = client.post("/login", data={"password": PASSWORD, "csrf_token": token}, base_url=OURS)
        assert answer.status_code == 403


def test_session_from_before_the_login_is_worth_nothing_after_it(guarded: Any) -> None:
    client = guarded.test_client()
    client.get("/login", base_url=OURS)
    with client.session_transaction(base_url=OURS) as session:
        token = session["token"]
    before = client.get_cookie("loadtests-8089", domain="127.0.0.1")
    tried(client, PASSWORD)
    assert token_of(client) not in ("", token), "known to an attacker who planted the session"
    fixed = guarded.test_client()
    fixed.set_cookie("loadtests-8089", before.value, domain="127.0.0.1")
    assert sent(fixed, "GET", "/run/token").status_code == 401


def test_copied_cookie_is_worth_nothing_after_the_log_out(guarded: Any) -> None:
    client = logged_in(guarded)
    token = token_of(client)
    cookie = client.get_cookie("loadtests-8089", domain="127.0.0.1")
    copy = guarded.test_client()
    copy.set_cookie("loadtests-8089", cookie.value, domain="127.0.0.1")
    assert sent(copy, "GET", "/run/token").status_code == 200
    assert sent(client, "POST", "/logout").status_code == 403, "another site cannot log out"
    assert sent(client, "POST", "/logout", **{"X-CSRF-Token": token}).status_code == 200
    assert sent(copy, "GET", "/run/token").status_code == 401


def test_forged_session_is_no_login(guarded: Any, app: Any) -> None:
    with app.test_client() as other, other.session_transaction(base_url=OURS) as session:
        session["login"], session["token"] = "x", "x"
    forged = guarded.test_client()
    forged.set_cookie("loadtests-8089", other.get_cookie("loadtests-8089", domain="127.0.0.1").value)
    assert sent(forged, "GET", "/run/token").status_code == 401


def test_password_is_not_left_in_the_environment(guarded: Any) -> None:
    import os

    from loadtests.environment import carrier_environment, child_environment, user_environment

    for environment in (os.environ, carrier_environment(), child_environment({}), user_environment()):
        assert PASSWORD not in environment.values()
