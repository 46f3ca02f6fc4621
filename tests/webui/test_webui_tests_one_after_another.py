"""Several tests started from the web UI, one after another, by what its start form sends."""

import json
from pathlib import Path

import pytest
from uis import Ui, ended


@pytest.mark.e2e
def test_one_test_after_another(ui: Ui, tmp_path: Path) -> None:
    chosen = {"scenario": "short", "storage": "memory"}
    for number in (1, 2):
        ui.until(lambda: json.loads(ui.get("/stats/requests"))["state"] in ("ready", "stopped"))
        ui.until(lambda: len(json.loads(ui.get("/stats/requests"))["workers"]) == 2)
        ui.post("/swarm", **chosen)
        ui.until(lambda n=number: len(ended(tmp_path)) == n)  # type: ignore[misc]
    assert [end["reason"] for end in ended(tmp_path)] == ["completed", "completed"]
    page = ui.get("/run")
    assert "connection.create" in page
    assert "loadtests-report" in page


@pytest.mark.e2e
def test_missing_scenario_is_shown_on_the_page(ui: Ui, tmp_path: Path) -> None:
    ui.post("/swarm", scenario="no-such-scenario", storage="memory")
    ui.until(lambda: "did not begin" in ui.get("/run"))
    assert "no-such-scenario" in ui.get("/run")
    assert ended(tmp_path) == []
