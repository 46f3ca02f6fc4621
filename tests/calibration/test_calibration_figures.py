"""Verdicts: what a source must not get away with, and what chance and a bad truth may excuse."""

from dataclasses import replace

import pytest
from test_calibration_matching import MS, report, wait

from loadtests.calibration.figures import Case, Figure, chance_of, figures, samples_interval, sentence, verdict
from loadtests.calibration.judging import DatabaseView, counter_agrees, growth, not_calibrated

WAITS = [wait(10 + n, 500 * n, 100) for n in range(30)]
ROWS = [report(10 + n, 500 * n, 100) for n in range(30)]


def case(**changed) -> Case:
    found = Case("postgres", "postgres", "full", ("event", "sampled"), 50 * MS, 10 * MS, 0, WAITS, ROWS)
    return replace(found, **changed)


def by_name(of: Case) -> dict[str, Figure]:
    return {figure.figure: figure for figure in figures(of)}


def test_correct_source_passes():
    found = by_name(case())
    assert {figure.verdict for figure in found.values()} == {"pass"}
    assert [*found] == ["waits found", "total recovered", "wait error p95", "blocker right", "root right"]
    assert (found["waits found"].n, found["total recovered"].value) == (30, 1.0)


def test_missing_wait_fails():
    found = by_name(case(reported=ROWS[1:]))
    assert (found["waits found"].verdict, found["waits found"].reason[:8]) == ("fail", "29 of 30")
    assert found["total recovered"].verdict == "fail"


def test_wait_reported_twice_fails_in_the_total():
    found = by_name(case(reported=[*ROWS, replace(ROWS[0], known="sampled", hits=2)]))
    assert found["total recovered"].verdict == "fail"
    assert "1 rows about none" in found["total recovered"].reason


def test_rows_of_other_sessions_do_not_count():
    assert by_name(case(reported=[*ROWS, report(999, 0, 5000)]))["total recovered"].verdict == "pass"


def test_a_wrong_culprit_fails():
    found = by_name(case(reported=[replace(row, blocker=3) for row in ROWS]))
    assert (found["blocker right"].verdict, found["root right"].verdict) == ("fail", "pass")
    found = by_name(case(reported=[replace(row, root=None) for row in ROWS]))
    assert (found["blocker right"].verdict, found["root right"].verdict) == ("pass", "fail")


def test_waits_at_the_wrong_length_fail():
    late = [replace(row, ended_ns=row.ended_ns + 8 * MS) for row in ROWS]
    found = by_name(case(reported=late))
    assert (found["wait error p95"].verdict, found["wait error p95"].value) == ("fail", 8.0)


def test_in_the_short_form_one_wait_or_two_may_be_far_off():
    def off(number: int) -> Case:
        late = [replace(row, ended_ns=row.ended_ns + 8 * MS) for row in ROWS[:number]]
        return case(form="short", expected=WAITS[:20], reported=[*late, *ROWS[number:20]])

    assert [by_name(off(n))["wait error p95"].verdict for n in (1, 3, 4)] == ["pass", "pass", "fail"]
    assert by_name(replace(off(3), form="full"))["wait error p95"].verdict == "fail"


def test_too_few_waits_are_unknown():
    found = figures(case(expected=WAITS[:2], reported=ROWS[:2]))
    assert {figure.verdict for figure in found} == {"unknown"}
    assert {figure.value for figure in found} == {None}


def test_waits_at_the_threshold_need_not_be_found_but_those_certainly_above_must():
    near = [replace(w, ended_ns=w.started_ns + 11 * MS, error_ns=2 * MS) for w in WAITS]
    assert by_name(case(expected=near, reported=[]))["waits found"].n == 0
    assert by_name(case(expected=[replace(w, error_ns=0) for w in near], reported=[]))["waits found"].verdict == "fail"


def test_what_the_truth_s_own_error_explains_is_no_error_but_hides_none():
    late = [replace(row, ended_ns=row.ended_ns + 12 * MS) for row in ROWS]
    vague = [replace(w, error_ns=9 * MS) for w in WAITS]
    assert by_name(case(expected=vague, reported=late))["wait error p95"].verdict == "pass"
    vaguer = [replace(w, error_ns=12 * MS) for w in WAITS]
    found = by_name(case(expected=vaguer, reported=late))
    assert (found["wait error p95"].verdict, found["total recovered"].verdict) == ("unknown", "unknown")
    some = [*WAITS[:20], *vaguer[20:]]
    found = by_name(case(expected=some, reported=late))
    assert (found["wait error p95"].verdict, found["wait error p95"].n) == ("fail", 20)


SAMPLES = [report(10 + n, 500 * n, 100, "sampled", 2) for n in range(30)]


def sampled(**changed) -> Case:
    return case(known=("sampled",), threshold_ns=None, reported=SAMPLES, **changed)


def test_samples_count_for_their_period():
    assert by_name(sampled())["total recovered"].value == 1.0


def test_the_full_form_asks_a_sampled_total_for_its_bar_and_the_short_one_for_its_interval():
    few = [replace(row, hits=1 if n < 8 else 2) for n, row in enumerate(SAMPLES)]
    full, short = (by_name(replace(sampled(form=form), reported=few))["total recovered"] for form in ("full", "short"))
    assert (full.verdict, short.verdict) == ("fail", "pass")
    assert "interval" in short.reason
    blind = [replace(row, hits=1) for row in SAMPLES]
    assert by_name(replace(sampled(form="short"), reported=blind))["total recovered"].verdict == "fail"


def test_interval_of_samples_does_not_excuse_timed_waits():
    short = [replace(row, ended_ns=row.ended_ns - 8 * MS) for row in ROWS]
    found = by_name(case(form="short", known=("event",), reported=short))
    assert found["total recovered"].verdict == "fail"


def test_in_the_short_form_chance_excuses_a_miss_among_few_and_no_more():
    mariadb = {"engine": "mariadb", "known": ("sampled",), "threshold_ns": None, "form": "short"}
    waits = [wait(10 + n, 2000 * n, 1000) for n in range(10)]
    rows = [report(10 + n, 2000 * n, 1000, "sampled", 5) for n in range(10)]
    assert by_name(case(**mariadb, expected=waits, reported=rows[1:]))["waits found"].verdict == "pass"
    assert by_name(case(**mariadb, expected=waits, reported=rows[2:]))["waits found"].verdict == "fail"


def test_chance_and_intervals_are_those_of_the_books():
    assert chance_of(1, 10, 0.01) == pytest.approx(0.0956, abs=1e-4)
    assert chance_of(0, 10, 0.01) == 1
    assert samples_interval(0) == pytest.approx((0, 3.69), abs=0.1)
    assert samples_interval(20) == pytest.approx((12.2, 30.9), abs=0.1)


COUNTS = [{"t_ns": t, "counter": "lock_wait_ms", "value": v} for t, v in ((0, 100), (10, 150), (20, 400), (30, 900))]


def test_growth_of_a_counter_is_taken_across_the_waits():
    assert growth(COUNTS, "lock_wait_ms", 12, 19) == 250
    assert growth(COUNTS, "lock_wait_ms", 12, 31) is None
    assert growth(COUNTS, "lock_waits", 12, 19) is None
    assert growth([*COUNTS[:2], {**COUNTS[2], "value": 3}], "lock_wait_ms", 12, 19) is None


def test_a_counter_may_lose_a_millisecond_a_wait_and_no_more():
    assert counter_agrees("mariadb", "db", WAITS, 3000 - 29).verdict == "pass"
    assert counter_agrees("mariadb", "db", WAITS, 2800).verdict == "fail"
    assert counter_agrees("mariadb", "db", WAITS, None).verdict == "unknown"
    assert counter_agrees("mariadb", "db", WAITS[:2], 200).verdict == "unknown"


def test_the_worst_verdict_is_the_outcome_s():
    good, bad = figures(case()), figures(case(reported=ROWS[1:]))
    gone = not_calibrated(DatabaseView("upgraded", "postgres", "short"), "the server died")
    assert [verdict(of) for of in (good, [*good, *bad], [*good, gone], [])] == ["pass", "fail", "unknown", "unknown"]
    assert "as well as they must be" in sentence(good)
    assert "no evidence: waits found (event) 96.67%: fail, 29 of 30" in sentence([*good, *bad])
    assert "upgraded are no evidence" in sentence([*good, gone])
