"""A new section of the page is one file and one line of the table; each section has a part of `summary.json` alone."""

import importlib
import json
from collections import Counter

import pytest
from studies import Op, write_run

from reports import sections
from reports.analysis.study import find
from reports.data.runs import read_study
from reports.report_command import main

TOY = """
from reports.page.plots.style import figure
from reports.page.table import PageTable
from reports.sections.contract import Section, each


def draw(findings, styles):
    whole = figure(12.5, 2)
    whole.subplots().set_title("a plot of toys")
    return whole


def table(findings):
    return PageTable("Toys by storage.", ["storage", "toys"], [[s.storage, "4,711"] for s in findings.storages])


SECTION = Section(
    name="toys",
    question="cost",
    title="Toys of each storage",
    applies=lambda findings: True,
    finding=lambda findings: each(findings, lambda storage: f"{len(storage.pooled)} run with 4,711 toys"),
    how=lambda _: "A toy for each run.",
    plot=draw,
    table=table,
    summary=lambda _, storage: {"toys": {"count": 4711 * len(storage.pooled)}},
)
"""


@pytest.fixture
def toy(tmp_path, monkeypatch):
    """`reports/sections/toys.py`, and its line in the table."""
    (tmp_path / "sections").mkdir()
    (tmp_path / "sections" / "toys.py").write_text(TOY)
    monkeypatch.setattr(sections, "__path__", [*sections.__path__, str(tmp_path / "sections")])
    monkeypatch.setattr(sections, "NAMES", (*sections.NAMES, "toys"))
    importlib.invalidate_caches()
    sections.all_sections.cache_clear()
    yield
    sections.all_sections.cache_clear()


def accepts():
    return [Op("chat.accept", planned_s=6 + i / 10, response_s=0.1) for i in range(50)]


@pytest.mark.usefixtures("toy")
def test_new_section_is_on_the_page_and_in_the_summary(tmp_path):
    write_run(tmp_path / "study", "01-sqlite", operations=accepts())
    assert main([str(tmp_path / "study")]) == 0
    report = tmp_path / "study" / "report"
    page = (report / "index.html").read_text(encoding="utf-8")
    for text in ("Toys of each storage", "1 run with 4,711 toys", "A toy for each run.", "a plot of toys",
                 'id="toys"', "Toys by storage.", ">4,711<"):  # fmt: skip
        assert text in page, text
    assert (report / "toys.png").stat().st_size > 1_000
    storage = json.loads((report / "summary.json").read_text(encoding="utf-8"))["storages"]["sqlite"]
    assert storage["toys"] == {"count": 4711}
    assert storage["operations"]["chat.accept"]["n"] == 50


def test_no_two_sections_have_the_same_part_of_the_summary(tmp_path):
    write_run(tmp_path, "01-sqlite", operations=accepts())
    findings = find("study", read_study(tmp_path))
    keys = Counter(k for s in sections.all_sections() for k in s.summary(findings, findings.storages[0]))
    assert {"operations", "blame", "causes", "phases", "transactions"} <= keys.keys()
    assert set(keys.values()) == {1}
