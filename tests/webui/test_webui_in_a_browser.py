"""Locust's page and the page of the run, as a real browser shows them."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from browsers import DESKTOP, PHONE, Browser, Tab, browsing
from uis import Ui, ended, web_ui

pytestmark = [pytest.mark.e2e, pytest.mark.browser]

STATUS = "document.querySelector('header').innerText"
BANNER = "document.querySelector('#loadtests-banner').innerText"
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browsing(tmp_path_factory.mktemp("chromium")) as opened:
        yield opened


@pytest.fixture
def browser(chromium: Browser) -> Iterator[Browser]:
    """Without tabs. Its cookies of other web UIs are of no use in a new one."""
    yield chromium
    chromium.close()


@pytest.fixture
def chosen(tmp_path: Path, browser: Browser) -> Iterator[Ui]:
    """A web UI whose form begins with a short run."""
    with web_ui(tmp_path, "--scenario", str(tmp_path / "short.yaml"), "--storage", "memory", processes=1) as ui:
        yield ui


@pytest.fixture
def long(tmp_path: Path, browser: Browser) -> Iterator[Ui]:
    """A web UI whose form begins with a long run, set up for some seconds."""
    with web_ui(tmp_path, "--scenario", str(tmp_path / "long.yaml"), "--storage", "sqlite", processes=1) as ui:
        yield ui


@pytest.fixture
def long_set_up(tmp_path: Path, browser: Browser) -> Iterator[Ui]:
    """The same on two databases, whose set-up takes long enough for the page to show it: it asks once a second."""
    storage = "dual(sqlite,postgres)"
    with web_ui(tmp_path, "--scenario", str(tmp_path / "long.yaml"), "--storage", storage, processes=1) as ui:
        yield ui


def form(browser: Browser, ui: Ui) -> Tab:
    tab = browser.tab(ui.address + "/")
    tab.until("document.querySelector('[name=scenario]') !== null")
    return tab


def visible(tab: Tab, selector: str) -> bool:
    shown = f"[...document.querySelectorAll({json.dumps(selector)})].some(e => e.checkVisibility())"
    return bool(tab.evaluate(shown))


def test_form_shows_what_decides_and_hides_what_does_not(browser: Browser, chosen: Ui, tmp_path: Path) -> None:
    tab = form(browser, chosen)
    assert visible(tab, "#scenario") or visible(tab, "[name=scenario]")
    assert str(tmp_path / "short.yaml") in tab.text()
    for name in ("userCount", "spawnRate", "host", "runTime", "profile"):
        assert tab.evaluate(f"document.querySelector('[name={name}]') !== null"), f"{name} is Locust's"
        assert not visible(tab, f"[name={name}]"), name
    assert "No run yet" in tab.evaluate(BANNER)


def test_run_started_by_click_is_shown_until_its_end(browser: Browser, chosen: Ui, tmp_path: Path) -> None:
    tab = form(browser, chosen)
    tab.click("Start", times=2)  # a double click
    tab.until(f"{BANNER}.startsWith('Setting up')")
    assert "RUNNING" not in tab.until(STATUS)
    tab.until(f"{BANNER}.startsWith('The run of short on memory has ended: completed.')")
    tab.until(f"{STATUS}.includes('STOPPED')")
    assert "Workers\n\n1" in tab.evaluate(STATUS)
    tab.until_text("chat.accept")
    assert not visible(tab, ".MuiAppBar-root .MuiButton-colorWarning"), "Reset"
    assert len(ended(tmp_path)) == 1
    tab.evaluate("document.querySelector('#loadtests-banner a').click()")
    tab.until_text("Runs of this session")
    assert "Ended\ncompleted" in tab.text()
    assert str(tmp_path / "runs") in tab.text()
    for scheme in ("light", "dark"):
        tab.colours(scheme)
        for size in (PHONE, DESKTOP):
            tab.size(size)
            assert tab.evaluate(OVERFLOW) <= 0
            assert tab.picture(f"run-{scheme}-{size[0]}").stat().st_size > 10_000, "a page with something on it"


def test_two_tabs_and_reloads_show_the_same(browser: Browser, long: Ui) -> None:
    first, second = form(browser, long), form(browser, long)
    first.click("Start")
    second.until(f"{STATUS}.includes('SPAWNING')")
    second.until(f"{BANNER}.startsWith('Setting up long on sqlite')")
    for tab in (first, second):
        tab.open(long.address + "/")
        tab.until(f"{STATUS}.includes('SPAWNING') || {STATUS}.includes('RUNNING')")
    for tab in (first, second):
        tab.until(f"{BANNER}.includes('stage warm-up')")
        tab.until(f"{STATUS}.includes('RUNNING')")
    second.click("Stop")
    for tab in (first, second):
        tab.until(f"{BANNER}.includes('has ended early: interrupted')")
        tab.until(f"{STATUS}.includes('STOPPED')")


def test_stop_in_the_page_cancels_a_set_up(browser: Browser, long_set_up: Ui, tmp_path: Path) -> None:
    tab = form(browser, long_set_up)
    tab.click("Start")
    tab.until(f"{BANNER}.includes('starting servers')")
    tab.click("Stop")
    tab.until(f"{BANNER}.includes('the set-up was cancelled')")
    tab.until(f"{STATUS}.includes('STOPPED')")
    assert [end["operations"]["begun"] for end in ended(tmp_path)] == [0]


def test_refusal_is_readable_and_keeps_what_was_typed(browser: Browser, tmp_path: Path) -> None:
    with web_ui(tmp_path, "--scenario", "no-such", "--storage", "redis:nothing", processes=1) as ui:
        tab = form(browser, ui)
        tab.click("Start")
        tab.until("document.querySelector('.MuiAlert-message') !== null")
        alert = tab.evaluate("document.querySelector('.MuiAlert-message').innerText")
        assert "no-such" in alert
        assert "redis:nothing" in alert
        tab.until(f"{BANNER}.includes('redis:nothing')")
        assert tab.evaluate("document.querySelector('[name=storage]').value") == "redis:nothing"
        tab.open(ui.address + "/")
        tab.until("document.querySelector('[name=storage]') !== null")
        assert tab.evaluate("document.querySelector('[name=scenario]').value") == "no-such"
        assert "no-such" in tab.evaluate(BANNER)
        tab.size(PHONE)
        assert tab.evaluate(OVERFLOW) <= 0
        ui.post("/swarm", scenario="short", storage="memory")
        tab.until(f"!{BANNER}.includes('no-such')")


def test_page_of_the_run_follows_it_without_scripts(browser: Browser, chosen: Ui, tmp_path: Path) -> None:
    tab = browser.tab(chosen.address + "/run")
    assert "No run yet" in tab.text()
    tab.scripts(False)
    tab.open(chosen.address + "/run")
    chosen.post("/swarm", scenario="short", storage="memory")
    tab.until_text("The run of short on memory has ended: completed.")
    assert "no longer refreshes" in tab.text()


def test_page_shows_that_its_process_is_gone(browser: Browser, tmp_path: Path) -> None:
    with web_ui(tmp_path, processes=1) as ui:
        tab = form(browser, ui)
    tab.until(f"{BANNER}.includes('does not answer')")
