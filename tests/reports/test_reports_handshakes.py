"""HTTP statuses that refused handshakes: on the page, in `summary.json`, among the figures."""

import json

import pytest
from studies import Op, write_run

from reports.analysis.study import find
from reports.data.handshakes import handshakes
from reports.data.runs import read_study
from reports.report_command import main as report

FAILURES = {
    "exact": True,
    "http_statuses": {"429": 1, "503": 38},
    "http_statuses_by_stage": {"warm-up": {"503": 2}, "steady": {"503": 36}, "cool-down": {"429": 1}},
    "details": [
        {"error": "handshake_rejected", "detail": "HTTP 503 Busy (Retry-After: 30)", "count": 38},
        {"error": "handshake_rejected", "detail": "HTTP 429 <b>later</b>", "count": 1},
    ],
}
REFUSED = Op("connection.create", outcome="fail", error="handshake_rejected")


@pytest.fixture
def study(tmp_path):
    study = tmp_path / "study"
    for name in ("01-sqlite", "02-sqlite"):
        write_run(study, name, operations=[REFUSED] * 36, end={"connection_failures": FAILURES})
    return study


def test_statuses_are_summed_with_judged_ones_separate(study):
    found = handshakes(read_study(study))
    assert found.judged == {"503": 72}
    assert found.whole == {"429": 2, "503": 76}
    assert found.details["handshake_rejected", "HTTP 503 Busy (Retry-After: 30)"] == 76
    assert found.exact


@pytest.mark.usefixtures("without_plots")
def test_page_summary_and_figures_show_them(study):
    assert report([str(study)]) == 0
    page = (study / "report" / "index.html").read_text()
    assert "HTTP statuses of refused WebSocket handshakes" in page
    assert "HTTP 503 Busy (Retry-After: 30)" in page
    assert "<b>later</b>" not in page
    found = json.loads((study / "report" / "summary.json").read_text())["storages"]["sqlite"]["handshakes"]
    assert found["http_statuses"] == {"503": 72}
    assert found["http_statuses_whole_run"] == {"429": 2, "503": 76}
    assert found["known"] == "workers"
    figures = (study / "report" / "figures.csv").read_text()
    assert "sqlite,,connection.create,HTTP 503,72.0,,,attempts,False,workers" in figures


@pytest.mark.parametrize("failures", [None, [], {"http_statuses": 7, "details": [3]}, {"http_statuses": {"503": "x"}}])
def test_run_without_statuses_is_unknown(tmp_path, failures):
    write_run(tmp_path, end={} if failures is None else {"connection_failures": failures})
    found = handshakes(read_study(tmp_path))
    assert (found.judged, found.whole, found.details, found.exact) == ({}, {}, {}, False)
    assert find("study", read_study(tmp_path)).storages
