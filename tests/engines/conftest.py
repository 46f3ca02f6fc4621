"""The toy engine, added by one entry: to this process, or to every Python process that a command starts."""

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

TOY = Path(__file__).parent / "toy"
sys.path.insert(0, str(TOY))

from toyentry import ENTRY  # noqa: E402

from loadtests import engines  # noqa: E402


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(engines.ENGINES, "toy", ENTRY)


@pytest.fixture
def toy_with(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Adds the toy with other fields."""

    def add(**changed: object) -> None:
        monkeypatch.setitem(engines.ENGINES, "toy", replace(ENTRY, **changed))  # type: ignore[arg-type]

    return add


@pytest.fixture
def toy_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Adds the toy with other fields to processes that are started from now on."""

    def add(**changed: object) -> None:
        (tmp_path / "sitecustomize.py").write_text(
            "from dataclasses import replace\n"
            "from loadtests.engines import ENGINES\n"
            "from toyentry import ENTRY\n"
            f"ENGINES['toy'] = replace(ENTRY, **{changed!r})\n"
        )
        monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{TOY}")

    return add
