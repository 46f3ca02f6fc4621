"""The tidy table of figures, its CSV, and what sessions were doing."""

import io

import numpy as np
import pandas as pd
import pytest
from studies import Op, session, write_run

from reports.analysis.study import find
from reports.data.runs import read_study
from reports.exports.figures import LOCK_WAIT, WHOLE, as_csv, figures
from reports.findings.resources import CLASSES
from reports.sections import all_sections

NS = 10**9


def found(study):
    return find("study", read_study(study))


def test_figures_have_a_row_with_how_each_is_known(tmp_path):
    write_run(tmp_path, operations=[Op("chat.accept", response_s=0.02)] * 200)
    frame = figures(found(tmp_path))
    assert not frame.duplicated(["storage", "operation", "figure"]).any()
    p99, rare, lock_wait, orphans = (
        frame[(frame["operation"] == operation) & (frame["figure"] == figure)].iloc[0]
        for operation, figure in (*(("chat.accept", f) for f in ("p99", "p99.9", LOCK_WAIT)), (WHOLE, "orphans"))
    )
    assert (p99["value"], p99["unit"], p99["known"]) == (pytest.approx(20), "ms", "rows")
    assert np.isnan(rare["value"])
    assert rare["known"] == "too few rows"
    assert (lock_wait["value"], lock_wait["known"], orphans["value"]) == (0, "sampled", 0)


def test_page_has_the_same_figures_in_words(tmp_path):
    write_run(tmp_path, operations=[Op("chat.accept", response_s=0.02)] * 200)
    table = {section.name: section for section in all_sections()}["figures"].beside[0](found(tmp_path))
    (row,) = (dict(zip(table.columns, row, strict=True)) for group in table.groups for row in group)
    words = {column: (cell.text, cell.note) for column, cell in row.items()}
    assert words["n"] == ("200", "")
    assert words["p99"] == ("20 ms", "20 ms … unknown")
    assert words["p99.9"] == ("too few rows", "")
    assert words["lock wait, s per 1,000"] == ("0", "sampled\n0 … 1.8")
    assert words["failed"] == ("0", "")


def test_csv_has_the_same_figures_and_no_formula(tmp_path):
    name = '=HYPERLINK("http://evil"),\n"x"'
    write_run(tmp_path, operations=[Op("chat.accept")] * 200, manifest={"storage": None, "label": name})
    frame = figures(found(tmp_path))
    again = pd.read_csv(io.StringIO(as_csv(frame)))
    assert list(again["figure"]) == list(frame["figure"])
    assert again["value"].to_numpy() == pytest.approx(frame["value"].to_numpy(), nan_ok=True)
    assert set(again["storage"]) == {"'" + name}


def test_sessions_are_means_over_successful_samples(tmp_path):
    ticks = [("postgres", t * NS // 10, t * NS // 10, t * NS // 10, 1, None if t < 80 else "blind", NS // 10)
             for t in range(160)]  # fmt: skip
    sessions = [session(t / 10, "lock", 3, operation=op) for t in range(40) for op in ("chat.accept", None)]
    sessions += [session(t / 10, "client", 9) for t in range(80)]
    sessions += [session(t / 10, "from the future", 1) for t in range(80)]
    write_run(tmp_path, "01-postgres", tables={"sessions": sessions, "ticks": ticks})
    seen = found(tmp_path).storages[0].sessions
    centres = found(tmp_path).axis.centres_s
    assert tuple(seen.by_class) == CLASSES
    assert seen.by_class["lock"][centres < 4] == pytest.approx(6)
    assert not seen.by_class["lock"][(centres > 4) & (centres < 8)].any()
    assert seen.by_class["other"][centres < 8] == pytest.approx(1)
    assert np.isnan(seen.by_class["lock"][centres > 8]).all()
    assert seen.judged == {**dict.fromkeys(CLASSES, 0.0), "other": 1.0}, "judged from 5 s on, seen until 8 s"


def test_missing_sessions_are_reported(tmp_path):
    write_run(tmp_path)
    assert not found(tmp_path).storages[0].sessions.seen
