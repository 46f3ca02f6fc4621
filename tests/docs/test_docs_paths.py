"""Files and folders that pages name are in the repository."""

import re
from pathlib import Path

import pytest

from reports.gate.slo.metadata import ANNOTATIONS, OTHERS

ROOT = Path(__file__).parents[2]
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "deploy/README.md")),
    *sorted((ROOT / "docs").glob("*.md")),
]
NAMED = re.compile(r"`((?:loadtests|reports|tests|scenarios|docs|deploy|benchmarks)/[\w./-]*)`")
#: Names of another kind: a folder of the wheel, and annotations of objectives.
NO_FILES = {"loadtests/shipped", "loadtests/", *OTHERS, *ANNOTATIONS}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_named_files_exist(page: Path) -> None:
    named = set(NAMED.findall(page.read_text(encoding="utf-8"))) - NO_FILES
    assert sorted(path for path in named if not (ROOT / path).exists()) == []


def test_pages_name_files() -> None:
    assert len(NAMED.findall((ROOT / "docs" / "architecture.md").read_text(encoding="utf-8"))) > 30


def test_index_lists_every_page() -> None:
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    pages = {page.name for page in (ROOT / "docs").glob("*.md")} - {"index.md"}
    assert sorted(name for name in pages if f"]({name})" not in index) == []
