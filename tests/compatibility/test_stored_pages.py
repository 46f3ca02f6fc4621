"""The page of each stored study in words: every cell has a value or the reason why there is none."""

import functools

import pytest
from stored_studies import STUDIES, extract

from reports.analysis.study import find
from reports.data.runs import read_study
from reports.findings.study import Findings
from reports.sections import sections_of
from reports.text.wording import NONE

NAMES = ("calm", "compare", "engines", "outage", "target")


@pytest.fixture(scope="module")
def findings_of(tmp_path_factory):
    """Findings of a stored study by its name."""

    @functools.cache
    def found(name: str) -> Findings:
        return find(name, read_study(extract(name, tmp_path_factory.mktemp(name))))

    return found


def cells(findings):
    """Table, column and text of every cell of the page."""
    for section in sections_of(findings):
        for make in filter(None, (section.table, *section.beside, *section.folded)):
            table = make(findings)
            for row in (row for group in table.groups for row in group):
                yield from ((table.caption, column, cell.text) for column, cell in zip(table.columns, row, strict=True))


@pytest.mark.parametrize("name", NAMES)
def test_every_cell_has_a_value_or_the_reason(findings_of, name):
    assert name in STUDIES
    unexplained = {"no value", NONE, "not told"}
    found = list(cells(findings_of(name)))
    assert len(found) > 100
    assert [cell for cell in found if cell[2] in unexplained] == []


@pytest.mark.parametrize("name", NAMES)
def test_sentences_speak_of_systems_and_name_what_is_unknown(findings_of, name):
    findings = findings_of(name)
    for section in sections_of(findings):
        for text in (section.how(findings), *section.finding(findings)):
            assert "storages" not in text
            assert NONE not in text
            assert "not told" not in text
