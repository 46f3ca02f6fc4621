"""Error budgets: what a run used of them, how fast, and which alerts that would fire in production."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from studies import Op, ledger_check, write_run

from reports.analysis.study import find
from reports.data.objective import BurnAlert, Objective, Objectives
from reports.data.runs import read_study
from reports.findings.budgets import WORKBOOK_ALERTS, Budget, forecast
from reports.gate.inputs.reading import read_evidence, study_storages, with_pods
from reports.report_command import main
from reports.text.wording import lasting

HOUR, DAY = 3600.0, 86_400.0
ACCEPT = Objective("accept", "Accept chat answers", "chat.accept", 0.3, 0.9)


def accepts(n=100, bad=0, first_s=6.0, **more):
    """One every 50 ms; the bad ones come last."""
    return [Op("chat.accept", first_s + i / 20, 0.1 if i < n - bad else 0.9, connection=1, **more) for i in range(n)]


def budgets(tmp_path, operations, *objectives, **documents):
    write_run(tmp_path / "study", operations=operations, **documents)
    asked = Objectives("o.yaml", "", objectives or (ACCEPT,))
    (storage,) = find("study", read_study(tmp_path / "study"), objectives=asked).storages
    return {budget.objective.name: budget for budget in storage.budgets}


def test_burn_rate_is_the_share_of_bad_attempts_by_the_budget(tmp_path):
    budget = budgets(tmp_path, accepts(100, bad=30))["accept"]
    assert (budget.n, budget.bad) == (100, 30)
    assert budget.burn_rate == pytest.approx(3)
    assert budget.lasts_s == pytest.approx(28 * DAY / 3)
    assert budget.rounds == {"01-sqlite": pytest.approx(3)}


def test_budget_is_used_over_the_run(tmp_path):
    """Judged from 5 to 15 s; the attempts begin at 6 s, the bad ones at 9.5 s."""
    budget = budgets(tmp_path, accepts(100, bad=30))["accept"]
    width_s = 16 / len(budget.used)
    edges_s = (np.arange(len(budget.used)) + 1) * width_s
    assert not budget.used[edges_s <= 9.5].any()
    assert budget.used[-1] == pytest.approx(3)
    assert np.all(np.diff(budget.used) >= 0)
    assert np.nanmax(budget.burn) == pytest.approx(10)
    assert np.isnan(budget.burn[edges_s <= 6]).all()


def test_attempts_outside_of_judged_time_and_refusals_use_nothing(tmp_path):
    operations = [
        *accepts(10, bad=10, first_s=1),
        *accepts(10, first_s=6),
        Op("chat.accept", 7, 0.1, "refused", "already_accepted"),
    ]
    budget = budgets(tmp_path, operations)["accept"]
    assert (budget.n, budget.bad, budget.burn_rate, budget.lasts_s) == (10, 0, 0.0, None)


def test_without_attempts_there_is_no_burn_rate(tmp_path):
    budget = budgets(tmp_path, [Op("chat.offer")])["accept"]
    assert (budget.n, budget.burn_rate, budget.lasts_s, budget.alerts) == (0, None, None, ())
    assert np.isnan(budget.used).all()


def test_rounds_are_pooled_and_have_their_own_burn_rates(tmp_path):
    write_run(tmp_path / "study", "01-sqlite", operations=accepts(100, bad=10))
    write_run(tmp_path / "study", "02-sqlite", operations=accepts(100, bad=30), manifest={"round": 2})
    (storage,) = find("study", read_study(tmp_path / "study"), objectives=Objectives("", "", (ACCEPT,))).storages
    (budget,) = storage.budgets
    assert budget.burn_rate == pytest.approx(2)
    assert budget.rounds == {"01-sqlite": pytest.approx(1), "02-sqlite": pytest.approx(3)}


PUSHES = [
    Op("subscription.create", 5.5, 0.4, topic="queue", sequence=0),
    *(
        Op("event.deliver", 6 + n / 20, 0.01 if n < 90 else 0.9, topic="queue", sequence=n)
        for n in (*range(1, 50), *range(53, 101))
    ),
    Op("event.deliver", None, key=1 << 40, ended_s=7.0),
]


@pytest.mark.parametrize("lost", [3, 8, None])
def test_counts_are_those_of_the_gate(tmp_path, lost):
    """Of every kind of operation, for all pods and for each."""
    objectives = tuple(
        Objective(f"{operation} {within_s}", "", operation, within_s, 0.9, by_pod=True)
        for operation in ("chat.accept", "subscription.create", "chat.answer", "event.deliver")
        for within_s in (0.3, None)
    )
    operations = [
        *accepts(60, bad=9),
        *accepts(40, pod=1),
        *PUSHES,
        *(
            Op("chat.answer", 6 + n / 9, n / 10, "ok" if n % 5 else "unknown", "" if n % 5 else "timeout")
            for n in range(20)
        ),
        Op("chat.accept", 8, 0.1, "unknown", "run_ended", pod=1),
    ]
    checks = [
        ledger_check("orphans"),
        ledger_check("lost_pushes", "fail" if lost else "unknown", lost, known="rows and storage"),
    ]
    found = budgets(tmp_path, operations, *objectives, pods=("17", "18"), ledger={"format": 1, "checks": checks})
    storages = study_storages(tmp_path / "study")
    asked = with_pods(Objectives("", "", objectives), storages)
    (run,) = read_evidence(storages, asked.objectives).runs
    assert not run.broken
    assert {name: (budget.n, budget.bad) for name, budget in found.items()} == {
        name: (counts.n, counts.bad) for name, counts in run.counts.items()
    }
    assert {name: budget.unseen for name, budget in found.items() if budget.unseen} == run.unseen
    assert len(found) == 3 * len(objectives)


def test_lost_events_without_a_time_use_the_budget_at_the_end(tmp_path):
    deliver = Objective("deliver", "", "event.deliver", None, 0.9)
    checks = [ledger_check("lost_pushes", "fail", 8, known="rows and storage")]
    budget = budgets(tmp_path, PUSHES, deliver, ledger={"format": 1, "checks": checks})["deliver"]
    assert (budget.n, budget.bad) == (98 + 8, 8)
    assert budget.used[-1] == pytest.approx(8 / 106 / 0.1)


def fires_after_s(alert, burn_rate, window_s=28 * DAY):
    return forecast(alert, burn_rate, window_s).fires_after_s


@pytest.mark.parametrize(
    ("alert", "burn_rate", "after_s", "used"),
    [
        # Of the SRE Workbook: 14.4 for an hour is 2 % of 30 days.
        (BurnAlert("a", "page", 14.4, HOUR), math.nextafter(14.4, 15), HOUR, 14.4 * HOUR / (30 * DAY)),
        (BurnAlert("a", "page", 14.4, HOUR), 1000, 51.84, 0.02),
        (BurnAlert("a", "page", 14.4, HOUR, HOUR / 12), 1000, 51.84, 0.02),
        (BurnAlert("a", "page", 2, HOUR, after_s=300), 4, 30 * 60 + 300, 4 * 2100 / (30 * DAY)),
        (BurnAlert("a", "page", 14.4, HOUR), 14.4, None, None),
        (BurnAlert("a", "page", 14.4, HOUR, inclusive=True), 14.4, HOUR, 0.02),
        (BurnAlert("a", "page", 14.4, HOUR), 1, None, None),
    ],
)
def test_alerts_at_a_constant_burn_rate(alert, burn_rate, after_s, used):
    found = forecast(alert, burn_rate, 30 * DAY)
    assert found.fires_after_s == (None if after_s is None else pytest.approx(after_s))
    assert found.used == (None if used is None else pytest.approx(used))


@given(
    threshold=st.floats(0.5, 20),
    long_s=st.integers(60, 4000),
    short_s=st.none() | st.integers(10, 4000),
    burn_rate=st.floats(0.1, 40),
)
def test_forecast_is_when_both_windows_exceed_the_threshold(threshold, long_s, short_s, burn_rate):
    """Second by second: means over the windows, of which the time before had no bad attempts."""
    alert = BurnAlert("a", "page", threshold, long_s, short_s)
    found = fires_after_s(alert, burn_rate)
    seconds = np.arange(1, 4100)
    means = [burn_rate * np.minimum(seconds, window) / window for window in (long_s, short_s) if window]
    above = np.flatnonzero(np.logical_and.reduce([mean > threshold for mean in means]))
    if abs(burn_rate / threshold - 1) < 1e-9:
        return  # the mean is rounded to either side of the threshold
    if found is None:
        assert not len(above)
    elif found < 4090:
        assert seconds[above[0]] == pytest.approx(found, abs=1.001)


def test_budget_used_by_an_alert_is_that_of_its_threshold():
    """At any burn rate: a threshold over a window is a share of the budget."""
    for alert, used in zip(WORKBOOK_ALERTS, (14.4 / 672, 36 / 672, 72 / 672), strict=True):
        for burn_rate in (20, 200):
            assert forecast(alert, burn_rate, 28 * DAY).used == pytest.approx(used)


def test_alerts_of_the_objective_replace_those_of_the_workbook():
    own = BurnAlert("mine", "page", 2, HOUR)
    none = np.empty(0)
    without = Budget(ACCEPT, 100, 30, {}, none, none)
    assert [f.alert for f in without.alerts] == list(WORKBOOK_ALERTS)
    assert without.alerts_of_workbook
    objective = Objective("accept", "", "chat.accept", 0.3, 0.9, alerts=(own,))
    with_own = Budget(objective, 100, 30, {}, none, none)
    assert [(f.alert, f.fires_after_s) for f in with_own.alerts] == [(own, pytest.approx(HOUR * 2 / 3))]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.5, "500 ms"), (30, "30 s"), (60, "1 min"), (750, "12 min"), (3600, "1 h"), (9000, "2.5 h"), (86_400, "24 h"),
     (2 * DAY, "2 days"), (28 * DAY, "28 days"), (3.06 * DAY, "3.1 days")],
)  # fmt: skip
def test_long_times_are_short_words(seconds, words):
    assert lasting(seconds) == words


OBJECTIVES = """\
apiVersion: openslo/v1
kind: SLO
metadata: {name: accept, displayName: Accept chat answers, annotations: {loadtests/by-pod: "true"}}
spec:
  service: pod
  indicator:
    metadata: {name: fast}
    spec: {thresholdMetric: {metricSource: {type: loadtests, spec: {operation: chat.accept}}}}
  timeWindow: [{duration: 4w, isRolling: true}]
  budgetingMethod: Occurrences
  objectives: [{op: lte, value: 0.3, target: 0.9}]
"""


def report(tmp_path, *options, own=OBJECTIVES, bad=30):
    """The page and the summary of a study whose run has objectives of its own."""
    study = tmp_path / "study"
    run = write_run(study, operations=[*accepts(100, bad=bad), *accepts(100, pod=1)], pods=("17", "18"))
    if own:
        (run.path / "objectives.yaml").write_text(own)
    assert main([str(study), *options]) == 0
    text = (study / "report" / "index.html").read_text(encoding="utf-8")
    return text, json.loads((study / "report" / "summary.json").read_text(encoding="utf-8"))["storages"]["sqlite"]


@pytest.fixture(scope="module")
def reported(tmp_path_factory):
    """Its directory, page and summary."""
    directory = tmp_path_factory.mktemp("reported")
    return directory, *report(directory)


def test_page_shows_the_budgets_of_the_objectives_of_the_study(reported):
    directory, text, _ = reported
    for words in (
        "Error budget",
        "Accept chat in 300 ms on pod 17 uses its error budget 3.0 times as fast as it may: "
        "in production, the budget of 28 days would last 9.3 days, and the alert “steady burn” would fire after 24 h",
        "Objectives of 01-sqlite/objectives.yaml",
        "Alerts that this burn rate would fire",
        "burn rate above 1 over 3 days and 6 h",
        "Error budgets by pod",
    ):
        assert words in text, words
    assert (directory / "study" / "report" / "error-budget.png").stat().st_size > 1_000


def test_page_within_budget_states_that_no_alert_fires(tmp_path):
    text, _ = report(tmp_path, bad=5)
    assert "every objective stays within its error budget; the largest burn rate is 0.5, of Accept chat in" in text
    assert "None: no burn rate exceeds the threshold of an alert." in text


def test_given_objectives_go_before_those_of_the_study(tmp_path):
    (tmp_path / "o.yaml").write_text(OBJECTIVES.replace("value: 0.3", "value: 1"))
    text, storage = report(tmp_path, "--objectives", str(tmp_path / "o.yaml"))
    assert "no objective used any of its error budget" in text
    assert [budget["bad"] for budget in storage["budgets"]] == [0, 0, 0]


def test_without_objectives_that_can_be_read_there_is_no_section(tmp_path):
    text, storage = report(tmp_path, own="not OpenSLO")
    assert 'id="error-budget"' not in text
    assert storage["budgets"] == []


def test_summary_has_every_budget(reported):
    *_, storage = reported
    whole, first, second = storage["budgets"]
    assert [b["name"] for b in (whole, first, second)] == ["accept", "accept on pod 17", "accept on pod 18"]
    assert {k: whole[k] for k in ("title", "operation", "within_s", "target", "pod", "window_s", "n", "bad")} == {
        "title": "Accept chat answers",
        "operation": "chat.accept",
        "within_s": 0.3,
        "target": 0.9,
        "pod": None,
        "window_s": 28 * DAY,
        "n": 200,
        "bad": 30,
    }
    assert whole["burn_rate"] == pytest.approx(1.5)
    assert first["burn_rate"] == pytest.approx(3)
    assert len(whole["used"]) == len(whole["burn"])
    fast, _, steady = whole["alerts"]
    assert (fast["name"], fast["fires_after_s"], fast["of_workbook"]) == ("fast burn", None, True)
    assert steady["fires_after_s"] == pytest.approx(2 * DAY)


def test_unknown_losses_are_lower_bounds(tmp_path):
    own = OBJECTIVES.replace("chat.accept", "event.deliver")
    study = tmp_path / "study"
    run = write_run(study, operations=PUSHES, ledger=None)
    (run.path / "objectives.yaml").write_text(own)
    assert main([str(study)]) == 0
    text = (study / "report" / "index.html").read_text(encoding="utf-8")
    assert "≥ " in text.partition('id="error-budget"')[2].partition("</section>")[0]
    assert "there is no ledger.json" in text
