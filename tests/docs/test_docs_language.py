"""Retired words are used nowhere: not in identifiers, comments, docstrings and messages, not in the documentation."""

import re

import pytest
import retired_words
from retired_words import ROOT, retired_in_name, retired_in_text, uses_in, uses_in_prose, uses_in_python


def test_no_file_has_a_retired_word() -> None:
    """`python tests/docs/retired_words.py PATH` prints the uses in a file or folder."""
    uses = [use for path in retired_words.files() for use in uses_in(path)]
    assert not uses, "\n".join(map(str, uses))


@pytest.mark.parametrize(
    "name", ["told", "_is_told", "TOLD_OF", "ToldTwice", "isTold", "what_is_under_way", "held_back_s"]
)
def test_identifiers_are_split_into_words(name: str) -> None:
    assert retired_in_name(name)


@pytest.mark.parametrize(
    "name",
    ["look_up", "looked_up", "lookup", "ring_buffer", "background", "string", "what_if", "burn_rate", "tail", "turn"],
)
def test_ordinary_identifiers_are_allowed(name: str) -> None:
    assert retired_in_name(name) is None


@pytest.mark.parametrize(
    "text", ["Nobody waits.", "it lays\nhands on it", "Its last\n   words", "one look at each tick"]
)
def test_prose_is_checked_across_lines(text: str) -> None:
    assert list(retired_in_text(text))


@pytest.mark.parametrize(
    "text", ["the user `nobody`", "look up a name", "a ring buffer", "it looks like one", "a string"]
)
def test_ordinary_prose_is_allowed(text: str) -> None:
    assert list(retired_in_text(text)) == []


def test_python_is_checked_in_names_comments_and_sentences() -> None:
    source = 'x = "told"  # a key\n"""First.\n\nNobody waits."""\nf(f"it told {told}")\nn = file.tell()\n# heard\n'
    assert [(use.line, use.found) for use in uses_in_python("x.py", source)] == [
        (4, "Nobody"), (5, "told"), (5, "told"), (7, "heard"),
    ]  # fmt: skip


def test_lines_of_uses_in_pages() -> None:
    assert [str(use).partition(" →")[0] for use in uses_in_prose("a.md", "One.\nTwo told.\n", 1)] == ["a.md:2: told"]


def test_released_entries_of_the_changelog_stay() -> None:
    released = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8").split("\n## ")[2:]
    assert any(retired_in_text(text) for text in released)
    unreleased = len((ROOT / "CHANGELOG.md").read_text(encoding="utf-8").split("\n## 0.")[0].splitlines())
    assert all(use.line <= unreleased for use in uses_in("CHANGELOG.md"))


def test_quoted_sentences_of_the_report_have_its_form() -> None:
    """As `reports/text/sentence.py` prints them: figure, operation, storage system by its label, causes."""
    form = re.compile(r"Of the [\d.]+ (ms|s) that p\d+ of [A-Za-z ]+ took on [\w ]+, ")
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    quotes = [quote for page in pages for quote in re.findall(r'"(Of the [^"]*)"', " ".join(page.read_text().split()))]
    assert len(quotes) >= 3
    assert [quote for quote in quotes if not form.match(quote)] == []
