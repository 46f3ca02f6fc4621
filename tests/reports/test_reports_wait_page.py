"""The page's sections about waiting: sentences, tables, and probes outside their tolerance."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
from lock_wait_rows import HOSTILE, SHORT, study, waiting, with_waits
from studies import session

from reports.analysis.study import find
from reports.data.runs import read_study
from reports.findings.causes import CAUSES, CauseFindings, Split
from reports.findings.locks import EDGES_S, Blame, WaitDurations
from reports.page.parts import Drawn
from reports.page.render import render
from reports.sections import all_sections, calibration, sections_of
from reports.sections.calibration import calibrated
from reports.sections.contract import QUESTIONS
from reports.sections.screen.composition import page_of as page_of_study
from reports.text.story import story

FIGURE = {"engine": "postgres", "database": "postgres", "source": "event", "unit": "ratio", "n": 412, "reason": ""}
PASSED = [FIGURE | {"figure": "waits found", "value": 0.998, "bar": 0.995, "verdict": "pass"}]
FAILED = [*PASSED, FIGURE | {"figure": "root right", "value": 0.971, "bar": 0.99, "verdict": "fail", "reason": "<i>12"}]


SECTIONS = {section.name: section for section in all_sections()}
WAITING_SECTIONS = ("where-the-time-went", "accept-over-time", "who-waited-for-whom", "wait-durations")


def page_of(findings):
    plots = [Drawn(name, "0 0 900 100", "") for name in WAITING_SECTIONS]
    return render(page_of_study(findings, story(findings), None, sections_of(findings), (plots, "")))


def calibrate(tmp_path, rows):
    findings = study(tmp_path)
    for run in findings.runs:
        (run.directory.path / "calibration.json").write_text(json.dumps({"format": 1, "figures": rows}))
    return find("study", read_study(tmp_path))


def words_of(page):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", re.sub(r"</?a\b[^>]*>", "", page)))


def test_sections_are_in_the_order_of_the_questions(tmp_path):
    page = page_of(with_waits(study(tmp_path)))
    questions = [f'<h2 id="question-{name}"' for name in QUESTIONS]
    asked = ("glance", "figures", "where-the-time-went", "accept-over-time", "who-waited-for-whom", "calibration")
    for headings in (questions, [f'<h3 id="{name}"' for name in asked]):
        places = [page.index(heading) for heading in headings]
        assert places == sorted(places)
    assert all(f'<a href="#{name}">' in page for name in WAITING_SECTIONS)


def test_the_finding_is_a_sentence_with_holder_and_lock(tmp_path):
    text = words_of(page_of(with_waits(study(tmp_path))))
    assert "Of the 412 ms that p99 of Accept chat took on storage1, 338 ms was a queue behind Accept chat" in text
    assert "4.0 s of lock waits, 75% of it behind message.send at the root" in text


def test_worst_waits_have_chains_and_convoys_durations(tmp_path):
    page = page_of(with_waits(study(tmp_path)))
    assert "<code>SELECT 1 FROM accounts</code>" in page
    text = words_of(page)
    assert "≥ 2.5 s chat.accept chat.close ← message.send row of accounts timed out" in text
    assert "6.0 s 6.5 s 9.0 s 2.5 s 12 30 s" in text


def test_tables_without_waits_state_none_or_unknown(tmp_path):
    storage = study(tmp_path).storages[0]
    findings = replace(find("study", read_study(tmp_path)), storages=(replace(storage, blame=Blame("pod")),))
    assert "None: no lock wait was observed." in words_of(page_of(findings))
    assert "None: no queue outlived its cause." in words_of(page_of(findings))
    blind = replace(findings, storages=(replace(storage, blame=Blame()),))
    assert f"unknown on {storage.storage}" in words_of(page_of(blind))


def test_hostile_text_is_escaped(tmp_path):
    page = page_of(with_waits(study(tmp_path), HOSTILE))
    assert "<b>" not in page
    assert "&lt;b&gt;&amp;" in page
    assert "\u202e" not in page
    assert not re.search("y{200}", page)


def test_a_long_statement_is_cut(tmp_path):
    storage = waiting(study(tmp_path).storages[0])
    worst = replace(storage.blame.worst[0], statement="SELECT a, b " * 100_000)
    findings = replace(
        find("study", read_study(tmp_path)), storages=(replace(storage, blame=replace(storage.blame, worst=(worst,))),)
    )
    assert len(SECTIONS["who-waited-for-whom"].beside[0](findings).rows[0][-1]) == 601


def test_probe_outside_tolerance_makes_lock_waits_unknown(tmp_path):
    findings = calibrate(tmp_path, FAILED)
    page = page_of(findings)
    assert "outside its tolerance: root right by event on postgres (fail)" in words_of(page)
    assert "A probe is outside its tolerance" in page
    assert '<th scope="row" class="bad">fail</th>' in page
    assert "&lt;i&gt;12" in page
    assert [row[0] for row in calibration.calibration(findings).rows] == ["fail", "pass"]


def test_probe_within_tolerances_is_listed_with_figures(tmp_path):
    findings = calibrate(tmp_path, PASSED)
    assert calibrated(findings) == ["storage1: 1 figure, within its tolerance (postgres, event)."]
    assert "A probe is outside its tolerance" not in page_of(findings)
    assert calibration.calibration(findings).rows[0][-4:] == ["99.8 %", "99.5 %", "412", "—"]


def test_missing_calibration_is_reported(tmp_path):
    assert calibrated(study(tmp_path))[0].startswith("storage1: not calibrated")


# --- words ---


def test_session_waits_include_lock_waits_of_the_pool(tmp_path):
    locked = [session(tick / 10, "lock", 9) for tick in range(160)]
    storage = study(tmp_path, tables={"sessions": locked}).storages[0]
    pooled = Split(1e9, 9, dict.fromkeys(CAUSES, 0.0) | {"session": 0.9e9, "database": 0.1e9}, {})
    storage = replace(storage, causes=CauseFindings("event", "", {"chat.accept": {"p99": pooled}}))
    findings = replace(find("study", read_study(tmp_path)), storages=(storage,))
    assert "Meanwhile 9.0 of 9.0 busy sessions waited" in SECTIONS["where-the-time-went"].finding(findings)[0]


def test_where_the_time_went_is_unknown_with_its_reason(tmp_path):
    storage = replace(study(tmp_path).storages[0], causes=CauseFindings(None, "no transactions"))
    findings = replace(find("study", read_study(tmp_path)), storages=(storage,))
    assert "unknown: no transactions" in SECTIONS["where-the-time-went"].finding(findings)[0]


ONE = np.histogram([0.09], EDGES_S)[0].astype(float)
"""One wait of 90 ms."""


@pytest.mark.parametrize(
    ("durations", "sentence"),
    [
        (WaitDurations(), "unknown, because lock waits were not observed"),
        (WaitDurations("pod"), "no lock waits"),
        (
            WaitDurations("sampled", sampled=SHORT, period_s=0.05),
            "no wait was timed; 1.5 s (1.0 … 2.1 s) in total, by sampling.",
        ),
        (
            WaitDurations("event and sampled", 0.01, below=SHORT, period_s=0.05, counts=ONE),
            "1 wait timed, none longer than 100 ms; the others: 1.5 s (1.0 … 2.1 s) in total, by sampling.",
        ),
        (
            WaitDurations("event and sampled", 0.01, sampled=SHORT, period_s=0.05, counts=ONE, in_part=True),
            "1 wait timed, none longer than 100 ms; the others: 1.5 s (1.0 … 2.1 s) in total, by sampling.",
        ),
        (
            WaitDurations("pod and sampled", sampled=SHORT, period_s=0.05, counts=ONE),
            "1 wait timed, none longer than 100 ms; the others: 1.5 s (1.0 … 2.1 s) in total, by sampling.",
        ),
    ],
)
def test_durations_as_a_sentence(tmp_path, durations, sentence):
    storage = replace(study(tmp_path).storages[0], durations=durations)
    assert (
        sentence
        in SECTIONS["wait-durations"].finding(replace(find("study", read_study(tmp_path)), storages=(storage,)))[0]
    )


def test_tables_of_causes_and_durations_add_up(tmp_path):
    findings = with_waits(study(tmp_path))
    row = SECTIONS["where-the-time-went"].table(findings).rows[-1]
    assert row[:3] == ["chat.accept", "storage1", "p99"]
    assert row[3].startswith("chat.accept on row of accounts 304 ms")
    assert row[4:5] == ["412 ms"]
    assert row[5 + CAUSES.index("lock")] == "338 ms (82%)"
    assert SECTIONS["wait-durations"].table(findings).rows[0][3:8] == ["—", "66", "60", "38", "0"]
