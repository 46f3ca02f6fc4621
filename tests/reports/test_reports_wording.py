"""Formatting of figures."""

import pytest

from reports.text.wording import digits


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (12345.6, "12,346"),
        (9.96, "10"),
        (1.26, "1.3"),
        (0.0123, "0.012"),
        (0.000034, "0.000034"),
        (0.00002, "0.00002"),
        (4.4e-15, "0"),
        (0.0, "0"),
    ],
)
def test_no_figure_has_an_exponent(value, words):
    assert digits(value) == words
