"""The web UI in a real browser: its user, and pages of other origins."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from attackers import attack_on, attacker
from browsers import Browser, Tab, browsing
from uis import Ui, ended, web_ui

pytestmark = [pytest.mark.e2e, pytest.mark.browser]

PASSWORD = "correct horse battery"
PAGE = "document.querySelector('#loadtests-banner') !== null && document.querySelector('header') !== null"
BANNER = "document.querySelector('#loadtests-banner').innerText"


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("origins")


@pytest.fixture(scope="module")
def ui(directory: Path) -> Iterator[Ui]:
    options = ("--web-login", "--storage", "memory", "--scenario", "long")
    with web_ui(directory, *options, processes=1, LOADTESTS_WEB_PASSWORD=PASSWORD) as started:
        yield started


@pytest.fixture(scope="module")
def browser(directory: Path) -> Iterator[Browser]:
    with browsing(directory, "--host-resolver-rules=MAP *.example 127.0.0.2") as opened:
        yield opened


def port_of(ui: Ui) -> int:
    return int(ui.address.rpartition(":")[2])


def log_in(tab: Tab, password: str) -> None:
    tab.until("document.querySelector('#password') !== null")
    tab.evaluate(f"document.querySelector('#password').value = {password!r}")
    tab.click("Log in")


def logged_in(browser: Browser, address: str) -> Tab:
    tab = browser.tab(address)
    if tab.evaluate("location.pathname") == "/login":
        log_in(tab, PASSWORD)
    tab.until(PAGE)
    return tab


def test_user_logs_in_starts_stops_and_logs_out(browser: Browser, ui: Ui) -> None:
    tab = browser.tab(ui.address + "/run")
    assert tab.evaluate("location.pathname") == "/login"
    log_in(tab, "a wrong password")
    tab.until_text("The password is wrong.")
    log_in(tab, PASSWORD)
    tab.until(PAGE)
    assert tab.evaluate("document.cookie") == "", "scripts cannot read the session"
    tab.click("Start")
    tab.until(f"{BANNER}.startsWith('Setting up long on memory') || {BANNER}.startsWith('Running long')")
    tab.click("Stop")
    tab.until(f"{BANNER}.includes('has ended early')")
    tab.click("Log out")
    tab.until("location.pathname === '/login'")
    tab.open(ui.address + "/stats/requests")
    assert "state" not in tab.text()


@pytest.mark.parametrize("origin", ["other site", "other port", "rebound name"])
def test_pages_of_other_origins_learn_and_change_nothing(
    browser: Browser, ui: Ui, directory: Path, origin: str
) -> None:
    user = logged_in(browser, ui.address)
    runs, port = len(ended(directory)), port_of(ui)
    phase = ui.status["phase"]
    served = ("127.0.0.1", 0) if origin == "other port" else ("127.0.0.2", port if origin == "rebound name" else 0)
    with attacker(served, ("127.0.0.1", port)) as at:
        place = f"http://127.0.0.1:{at}" if origin == "other port" else f"http://attacker.example:{at}"
        page = browser.tab(f"{place}/attack")
        assert "An interesting article." in page.text()
        got = page.evaluate(attack_on(place if origin == "rebound name" else ui.address))
    assert len(got) == 49
    if origin == "rebound name":  # to the browser a page of this web UI: it learns that it is refused
        refused = [text for attack, text in got if attack.startswith(("read", "post"))]
        assert all(text.startswith("403 the request's Host is 'attacker.example:") for text in refused)
    for attack, text in got:
        assert text in ("error", "0 ", "loaded ", "nothing") or text.startswith(("403 ", "the request's Host is")), (
            attack, text,
        )  # fmt: skip
        for shown in ("phase", "token", "scenario", "state", "loadtests-banner"):
            assert shown not in text, (attack, text)
    assert {attack for attack, text in got if text.startswith("loaded")} <= {"empty frame", "frame"}
    assert ui.status["phase"] == phase
    assert len(ended(directory)) == runs
    assert user.evaluate("fetch('./run/status').then(answer => answer.status)") == 200, "the user is still logged in"


def test_link_of_another_site_ends_at_a_page_that_leads_on(browser: Browser, ui: Ui) -> None:
    logged_in(browser, ui.address)
    with attacker(("127.0.0.2", 0), ("127.0.0.1", port_of(ui))) as at:
        page = browser.tab(f"http://attacker.example:{at}/attack")
        page.evaluate(f"location.href = '{ui.address}/'")
        page.until_text("A page of another site opened this address.")
        page.evaluate("document.querySelector('a').click()")
        page.until(PAGE)


def test_name_of_this_host_has_a_login_of_its_own(browser: Browser, ui: Ui) -> None:
    logged_in(browser, ui.address)
    tab = browser.tab(f"http://localhost:{port_of(ui)}/")
    assert tab.evaluate("location.pathname") == "/login"
    log_in(tab, PASSWORD)
    tab.until(PAGE)
