"""The page of a report as a real browser shows it: on a desktop, a tablet, a phone and on paper."""

import functools
import importlib.resources
import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from availability import unavailable
from browsers import Browser, Tab, browsing
from outages import write_outage
from studies import Op, action, lock_wait, session, write_run

from reports.page.plots import drawing
from reports.page.plots.drawing import draw
from reports.report_command import report

pytestmark = [pytest.mark.browser]

DESKTOP, TABLET, PHONE, PAPER = (1280, 800), (768, 1024), (390, 844), (688, 1000)
"""Width and height in px. The paper's width is that of A4 within its margins."""

OBJECTIVES = Path(__file__).parents[2] / "scenarios" / "objectives.yaml"
LONG = "a-system-whose-name-has-all-of-the-sixty-four-letters-it-may-hav"
HOSTILE = "<script>alert(1)</script>\u202e\u05d0\u05d1\u05d2 \u0645\u0631\u062d\u0628\u0627 {{ 7*7 }}"

WIDER_THAN_ITS_FRAME = """
(() => {
  const shown = e => e.checkVisibility() && !e.closest('svg svg, svg *, .unseen, .skip, .verdict-word');
  const name = e => e.tagName + '.' + e.className + ' ' + (e.innerText || '').slice(0, 40);
  const wide = [];
  if (document.documentElement.scrollWidth > innerWidth) wide.push('the page: ' + document.documentElement.scrollWidth);
  for (const e of document.body.querySelectorAll('*')) {
    if (!shown(e)) continue;
    const box = e.getBoundingClientRect();
    const beyond = box.right > innerWidth + 1 || box.left < -1;
    if (beyond && !e.closest('.scroll')) wide.push('beyond the page: ' + name(e));
    if (getComputedStyle(e).overflowX !== 'auto' && e.clientWidth && e.scrollWidth > e.clientWidth + 1)
      wide.push('text beyond its box: ' + name(e));
  }
  return wide.slice(0, 9);
})()
"""
FIRST_SCREEN = """
(() => {
  const shown = box => box.width > 0 && box.top >= 0 && box.bottom <= innerHeight;
  const parts = ['h1', '.judged', '.why', '#doubts', ...(document.querySelector('.hero') ? ['.hero'] : [])];
  return Object.fromEntries(parts.map(s => [s, shown(document.querySelector(s).getBoundingClientRect())]));
})()
"""
CLOSED_ON_PAPER = """
[...document.querySelectorAll('details > :not(summary)')]
  .filter(e => !e.closest('.tables') && !e.checkVisibility({contentVisibilityAuto: true})).length
"""
AXE = """
axe.run({exclude: [['svg'], ['.tables']]}, OPTIONS).then(r => r.violations
  .filter(v => ['serious', 'critical'].includes(v.impact)).map(v => v.id + ': ' + v.nodes.map(n => n.html).slice(0, 3)))
"""


def accepts(seconds: float, number: int = 60) -> list[Op]:
    return [Op("chat.accept", 5 + 10 * n / number, seconds) for n in range(number)]


def outage(study: Path) -> None:
    write_outage(study)


def one_run(study: Path) -> None:
    """No stage is judged, tables are missing, and all names are hostile."""
    who = dict.fromkeys(("waiter_operation", "blocker_operation", "root_operation", "pod", "statement"), HOSTILE)
    write_run(
        study,
        operations=[*accepts(0.02), Op("chat.accept", 6.0, outcome="fail", error="storage_conflict")],
        pods=[HOSTILE],
        manifest={"storage": None, "label": HOSTILE, "scenario": {"name": HOSTILE, "sha256": "0"}},
        timeline=[(0, 10**10, "stage", HOSTILE, "ok", '{"judge": false}'), action(8.0, HOSTILE, error=HOSTILE)],
        tables={"lock_waits": [lock_wait(6.0, 1.0, **who)], "sessions": [session(6.0, HOSTILE, 1)]},
        end=None,
        ledger=None,
    )


def ten_systems(study: Path) -> None:
    for place in range(10):
        manifest = {"storage": None, "label": f"{place}{LONG[1:]}"}
        write_run(study, f"{place:02}-system", operations=accepts(0.01 * 2**place), manifest=manifest)


def nothing(study: Path) -> None:
    """A run without operations, and one without a manifest."""
    write_run(study, operations=[])
    (study / "02-postgres").mkdir()


def two_systems(study: Path) -> None:
    write_run(study, operations=accepts(0.4))
    write_run(study, "02-postgres", operations=accepts(0.02))


STUDIES: dict[str, tuple[Callable[[Path], None], bool]] = {
    "outage": (outage, True),
    "two_systems": (two_systems, False),
    "one_run": (one_run, True),
    "ten_systems": (ten_systems, True),
    "nothing": (nothing, False),
}
"""How each is made, and whether it is judged."""


def few_plots(findings: Any, plots: Mapping[str, Any], into: Path, page_only: Mapping[str, Any]) -> Any:
    """Draws what differs from study to study: most of a report's time is drawing."""
    kept = {name: plot for name, plot in plots.items() if name in ("story", "blast-radius")}
    return draw(findings, kept, into, page_only)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browsing(tmp_path_factory.mktemp("browser")) as opened:
        yield opened


@pytest.fixture(scope="module", params=STUDIES)
def tab(request: pytest.FixtureRequest, browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Tab:
    """A tab that shows the report of a study."""
    make, judged = STUDIES[request.param]
    study = tmp_path_factory.mktemp("runs") / "study"
    make(study)
    with pytest.MonkeyPatch.context() as patched:
        if request.param != "two_systems":
            patched.setattr(drawing, "draw", few_plots)
        page, _ = report(study, OBJECTIVES if judged else None)
    opened = browser.tab(page.as_uri())
    for domain in ("Log", "Network", "Runtime"):
        opened.call(f"{domain}.enable")
    opened.open(page.as_uri())  # again, now observed
    return opened


@functools.cache
def axe() -> str:
    try:
        return importlib.resources.files("axe_core_python").joinpath("axe.min.js").read_text(encoding="utf-8")
    except ModuleNotFoundError:
        unavailable("axe-core-python is not installed: make .venv again")


@pytest.mark.parametrize("size", [DESKTOP, TABLET, PHONE])
def test_nothing_is_wider_than_its_frame(tab: Tab, size: tuple[int, int]) -> None:
    tab.size(size)
    assert tab.evaluate(WIDER_THAN_ITS_FRAME) == []


@pytest.mark.parametrize("size", [DESKTOP, PHONE])
def test_first_screen_is_complete(tab: Tab, size: tuple[int, int]) -> None:
    tab.size(size)
    shown = tab.evaluate(FIRST_SCREEN)
    assert [part for part, complete in shown.items() if not complete] == []


def test_page_makes_no_request_and_logs_no_error(tab: Tab) -> None:
    tab.evaluate("1")
    kinds = [event["method"] for event in tab.events]
    assert not {"Log.entryAdded", "Runtime.exceptionThrown", "Runtime.consoleAPICalled"} & set(kinds)
    urls = {e["params"]["request"]["url"] for e in tab.events if e["method"] == "Network.requestWillBeSent"}
    assert len(urls) == 1, "the page itself"


@pytest.mark.parametrize("tab", ["one_run"], indirect=True)
def test_axe_finds_nothing_serious(tab: Tab) -> None:
    """All rules in light; in the dark those of colours, the only ones that differ."""
    tab.size(DESKTOP)
    tab.evaluate(f"{axe()};1")
    for scheme, options in (("light", {"resultTypes": ["violations"]}), ("dark", {"runOnly": ["color-contrast"]})):
        tab.colours(scheme)
        assert tab.evaluate(AXE.replace("OPTIONS", json.dumps(options))) == [], scheme


def test_paper_cuts_nothing_off_and_has_the_folds_open(tab: Tab) -> None:
    tab.size(PAPER)
    tab.call("Emulation.setEmulatedMedia", media="print")
    try:
        assert tab.evaluate(WIDER_THAN_ITS_FRAME) == []
        assert tab.evaluate(CLOSED_ON_PAPER) == 0
    finally:
        tab.call("Emulation.setEmulatedMedia", media="")
    pages = len(re.findall(rb"/Type\s*/Page\b", tab.paper("page").read_bytes()))
    assert 1 < pages < 40


def test_sections_are_reached_by_keyboard(tab: Tab) -> None:
    tab.size(DESKTOP)
    tab.evaluate("document.activeElement.blur(), scrollTo(0, 0)")
    tab.call("Input.dispatchKeyEvent", type="keyDown", key="Tab", windowsVirtualKeyCode=9)
    skip = json.loads(tab.evaluate("JSON.stringify(document.activeElement.getBoundingClientRect())"))
    assert tab.evaluate("document.activeElement.className") == "skip"
    assert skip["left"] >= 0 and skip["width"] > 0, "visible with the focus"
    links: Any = tab.evaluate("[...document.querySelectorAll('.toc a')].map(a => !!document.querySelector(a.hash))")
    assert links and all(links)
