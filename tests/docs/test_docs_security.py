"""Promises of SECURITY.md name tests that are there."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_promise_names_tests_that_are_there() -> None:
    page = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    rows = [line for line in page.splitlines() if line.startswith(("| a", "| the", "| its", "| what it is"))]
    named = [re.findall(r"`(tests/[\w/.]*)`", row) for row in rows]
    assert len(rows) == 12
    assert all(named)
    assert [path for paths in named for path in paths if not (ROOT / path).exists()] == []
