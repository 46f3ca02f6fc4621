"""Text cells of CSV files: none is a formula, and all of them are what they were to a reader."""

import pytest

from loadtests.sanitize import text_cell


@pytest.mark.parametrize(
    "text",
    [
        "=1+1",
        "+1",
        "-1",
        "@sum(a)",
        "\t=1",
        "\r=1",
        "\n=1",
        " =1",
        "\t",
        "\rx",
        "\uff1d1",
        "\uff0b1",
        "\uff0d1",
        "\uff20a",
    ],
)
def test_formulas_become_text(text):
    assert text_cell(text).startswith("'")
    assert text_cell(text)[1:] == text


@pytest.mark.parametrize("text", ["", "chat.accept", "a=b", "x-y", "1", "ü", "a\tb", "SELECT * FROM x"])
def test_other_texts_stay_as_they_are(text):
    assert text_cell(text) == text


def test_control_characters_are_replaced():
    assert text_cell("a\x00b\x1b[31m\x9b") == "a\ufffdb\ufffd[31m\ufffd"
    assert text_cell("\x00=1") == "'\ufffd=1"
