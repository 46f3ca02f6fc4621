"""Formatting of figures."""

import pytest

from reports.text.plain_names import pod_label, pods
from reports.text.wording import digits, reported


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


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["18"], "pod 18"),
        (["17", "canary"], "pods 17 and canary"),
        (["1", "2", "3", "4", "5"], "pods 1, 2, 3 and 2 others"),
    ],
)
def test_pods_are_called_pods(names, words):
    assert pods(names) == words


def test_pod_with_a_number_alone_is_called_a_pod():
    assert [pod_label(name) for name in ("18", "canary", "pod-1")] == ["pod 18", "canary", "pod-1"]


def test_session_without_a_name_is_not_reported():
    assert [reported(name) for name in ("not told", "chat.accept")] == ["not reported", "chat.accept"]
