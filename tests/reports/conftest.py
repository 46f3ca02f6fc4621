"""Reports whose plots are not the point: drawing them takes most of a report's time."""

import pytest


@pytest.fixture
def without_plots(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages have everything but plots, and no file of a plot is written."""
    monkeypatch.setattr("reports.page.plots.drawing.draw", lambda *_: ([], ""))
