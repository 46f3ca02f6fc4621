"""The tidy table of figures, its CSV, and what sessions were doing."""

import io

import numpy as np
import pandas as pd
import pytest
from studies import Op, session, write_run

from reports.analysis.study import find
from reports.data.runs import read_study
from reports.exports.figures import LOCK_WAIT, WHOLE, as_csv, figures, shown
from reports.findings.resources import CLASSES

NS = 10**9


def found(study):
    return find("study", read_study(study))


def test_figures_have_a_row_with_how_each_is_known(tmp_path):
    write_run(tmp_path, operations=[Op("chat.accept", response_s=0.02)] * 200)
    frame = figures(found(tmp_path))
    assert not frame.duplicated(["storage", "operation", "figure"]).any()
    p99 = frame[(frame["operation"] == "chat.accept") & (frame["figure"] == "p99")].iloc[0]
    assert (p99["value"], p99["unit"], p99["known"], p99["text"]) == (pytest.approx(20), "ms", "rows", "20 ms")
    text = shown(frame, "text")
    assert text["chat.accept", "sqlite"]["p99.9"] == "—"
    assert text["chat.accept", "sqlite"][LOCK_WAIT] == "0"
    assert text[WHOLE, "sqlite"]["orphans"] == "0"


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
