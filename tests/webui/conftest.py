"""A web UI of its own for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from uis import Ui, web_ui


@pytest.fixture
def ui(tmp_path: Path) -> Iterator[Ui]:
    with web_ui(tmp_path) as page:
        yield page
