"""Stamps from another clock: detected from the pushes themselves, and left out of all figures."""

import csv
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from studies import Op, write_run

from reports.analysis.operations.gathering import tolerance_ns
from reports.findings.operations import StampClock
from reports.report_command import main
from reports.text.phrases import clock_fault

MS = 1_000_000
FAR = st.integers(-3600_000 * MS, 3600_000 * MS)
SPANS = st.lists(st.tuples(*[st.integers(0, 2_000 * MS)] * 3), min_size=1, max_size=30)


def pushed(spans, offset_ns):
    """Arrays of pushes: published so long after their cause and so long before their arrival, by a clock ahead."""
    started = np.array([at for at, _, _ in spans], dtype=np.int64)
    published = started + np.array([before for _, before, _ in spans], dtype=np.int64)
    ended = published + np.array([after for _, _, after in spans], dtype=np.int64)
    return published + offset_ns, ended, started


@given(SPANS, FAR)
def test_difference_of_the_clocks_is_within_the_bounds(spans, offset_ns):
    clock = StampClock().with_pushes(*pushed(spans, offset_ns))
    assert clock.low is not None
    assert clock.high is not None
    assert clock.low <= offset_ns <= clock.high
    assert not clock.moved


@given(SPANS, FAR, st.integers(0, 30))
def test_bounds_do_not_depend_on_the_pieces(spans, offset_ns, cut):
    whole = StampClock().with_pushes(*pushed(spans, offset_ns))
    pieces = StampClock().with_pushes(*pushed(spans[:cut], offset_ns)).with_pushes(*pushed(spans[cut:], offset_ns))
    assert pieces == whole


@given(SPANS)
def test_stamps_of_one_clock_are_usable(spans):
    assert StampClock().with_pushes(*pushed(spans, 0)).usable


@given(SPANS, FAR)
def test_a_difference_beyond_the_quickest_push_is_found(spans, offset_ns):
    quickest = min(before + after for _, before, after in spans)
    if abs(offset_ns) > quickest + MS:
        clock = StampClock().with_pushes(*pushed(spans, offset_ns))
        assert not clock.usable
        assert ("ahead" if offset_ns > 0 else "behind") in clock_fault(clock)


def test_a_clock_that_was_set_in_mid_run_is_found():
    early, late = pushed([(0, MS, MS)] * 5, 0), pushed([(10_000 * MS, MS, MS)] * 5, 5_000 * MS)
    clock = StampClock().with_pushes(*early).with_pushes(*late)
    assert clock.moved
    assert clock_fault(clock) == "was set or drifted by 5.0 s while the run went on, or this host's was"


@pytest.mark.parametrize(("delay_s", "usable"), [(0.9, True), (1.1, False)])
def test_clock_that_may_be_behind_is_not_trusted(delay_s, usable):
    published, ended, _ = pushed([(0, MS, round(delay_s * 1000) * MS)] * 5, 0)
    assert StampClock().with_pushes(published, ended).usable is usable


@pytest.mark.parametrize("stamp", [0, 2**63 - 1, -(2**63)])
def test_a_stamp_that_is_no_time_is_no_figure(stamp):
    now = np.array([1_800_000_000 * 10**9], dtype=np.int64) - 1_799_999_000 * 10**9
    clock = StampClock().with_pushes(np.array([stamp - (stamp > 0)], dtype=np.int64), now, now - 5 * MS)
    assert clock.usable is False


def test_workers_on_other_hosts_add_their_error():
    assert tolerance_ns({}) == MS
    workers = [{"worker": "1", "error_ns": 4 * MS}, {"worker": "2", "error_ns": None}]
    assert tolerance_ns({"generator": {"workers": workers}}) == 5 * MS


def figures_of(study, workers, *offsets_s):
    """`figures.csv` of the deliveries from the stamp and from their cause, the summary, and the page."""
    for round_, offset_s in enumerate(offsets_s, 1):
        causes = [Op("message.send", planned_s=6 + n / 100, response_s=0.004, key=n) for n in range(400)]
        pushes = [
            Op(
                "event.deliver",
                planned_s=None,
                key=n,
                published_s=6.002 + n / 100 + offset_s,
                ended_s=6.005 + n / 100,
            )
            for n in range(400)
        ]
        write_run(study, f"{round_:02}-sqlite", operations=causes + pushes, workers=workers)
    assert main([str(study)]) == 0
    report = study / "report"
    rows = list(csv.DictReader((report / "figures.csv").open()))
    named = {
        name: {r["figure"]: (r["value"], r["known"]) for r in rows if r["operation"] == name}
        for name in ("event.deliver", "event.deliver from stamp")
    }
    return named, json.loads((report / "summary.json").read_text()), (report / "index.html").read_text()


@pytest.mark.usefixtures("without_plots")
@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize(
    ("offset_s", "words"),
    [
        (5.0, "is 5.0 s ahead of this host's"),
        (-5.0, "is 5.0 s behind this host's"),
        (0.008, "is 5.0 ms to 10 ms ahead of this host's"),
        (-1.7e9, "is 1,700,000,000 s behind this host's"),
    ],
)
def test_no_figure_is_made_of_a_clock_that_is_off(tmp_path, workers, offset_s, words):
    named, summary, page = figures_of(tmp_path / "study", workers, offset_s)
    stamped = named["event.deliver from stamp"]
    assert {name: stamped[name] for name in ("p50", "p95", "p99", "max")} == dict.fromkeys(
        ("p50", "p95", "p99", "max"), ("", "unknown")
    )
    assert stamped["n"][0] == "400.0"
    measure = summary["storages"]["sqlite"]["operations"]["event.deliver from stamp"]
    assert measure["response_ms"]["p50"] is None
    assert words in measure["unknown"]
    assert words.replace("'", "&#39;") in page
    assert float(named["event.deliver"]["p50"][0]) == pytest.approx(5.0, abs=0.1)


@pytest.mark.usefixtures("without_plots")
def test_one_round_that_is_off_is_enough(tmp_path):
    named, _, page = figures_of(tmp_path / "study", 1, 0.0, 5.0)
    assert named["event.deliver from stamp"]["p50"] == ("", "unknown")
    assert "5.0 s ahead" in page


@pytest.mark.usefixtures("without_plots")
def test_figures_of_one_clock_are_there(tmp_path):
    named, summary, page = figures_of(tmp_path / "study", 2, 0.0)
    assert float(named["event.deliver from stamp"]["p50"][0]) == pytest.approx(3.0, abs=0.1)
    assert "unknown" not in summary["storages"]["sqlite"]["operations"]["event.deliver from stamp"]
    assert "ahead of this host" not in page
