"""A short study against the hostile server: it ends by itself, honestly, and in bounded memory."""

from pathlib import Path

import pytest
from hostile_study import make_study

pytestmark = pytest.mark.e2e


def test_study_against_hostile_server_ends_honestly(tmp_path: Path) -> None:
    study = make_study(tmp_path, steady_s=4, commands=("gate",))
    assert study.gate in (1, 2)
    assert list(study.problems()) == [], study.output
