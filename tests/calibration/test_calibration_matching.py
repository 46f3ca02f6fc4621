"""Rows and waits are brought together: each at most once, by session and time."""

from hypothesis import given
from hypothesis import strategies as st

from loadtests.calibration.truth import ExpectedWait, ReportedWait, match

MS = 1_000_000


def wait(session: int, started_ms: float, lasted_ms: float, blocker: int = 1) -> ExpectedWait:
    started_ns = round(started_ms * MS)
    ended_ns = started_ns + round(lasted_ms * MS)
    return ExpectedWait(session, started_ns, ended_ns, "row", "acquired", frozenset({blocker}), frozenset({blocker}))


def report(
    session: int, started_ms: float, lasted_ms: float, known: str = "event", hits: int | None = None
) -> ReportedWait:
    started_ns = round(started_ms * MS)
    return ReportedWait(session, 1, 1, started_ns, started_ns + round(lasted_ms * MS), known, hits)


spans = st.lists(st.tuples(st.integers(1, 4), st.integers(0, 500), st.integers(0, 200)), max_size=25)


@given(spans, spans, st.integers(0, 20))
def test_each_is_matched_at_most_once_and_nothing_is_lost(waits, rows, slack_ms):
    expected, sources = [wait(*w) for w in waits], [report(*r) for r in rows]
    matched = match(expected, sources, slack_ms * MS)
    used = [row for _, row in matched.pairs if row is not None]
    assert [w for w, _ in matched.pairs] == expected
    assert sorted(map(str, [*used, *matched.unmatched])) == sorted(map(str, sources))
    assert all(w.session == row.session for w, row in matched.pairs if row is not None)


@given(spans)
def test_exact_reports_match_their_waits(spans):
    """Waits of one session that follow each other, as they do."""
    at_ms: dict[int, float] = {}
    expected = []
    for session, gap, lasted in spans:
        started = at_ms.get(session, 0) + gap + 1
        at_ms[session] = started + lasted + 1
        expected.append(wait(session, started, lasted + 1))
    rows = [report(w.session, w.started_ns / MS, w.lasted_ns / MS) for w in expected]
    matched = match(expected, rows)
    assert all(row and (row.started_ns, row.ended_ns) == (w.started_ns, w.ended_ns) for w, row in matched.pairs)
    assert not matched.unmatched


def test_a_short_wait_keeps_its_row_although_that_reaches_into_the_next_wait():
    short, long = wait(7, 100, 2), wait(7, 110, 200)
    sample, event = report(7, 100, 27, "sampled", 1), report(7, 110, 200)
    assert [row for _, row in match([short, long], [sample, event]).pairs] == [sample, event]


def test_a_row_that_lies_a_clock_s_error_beside_its_wait_is_about_it():
    apart = [wait(7, 100, 2)], [report(7, 103, 2)]
    assert match(*apart).pairs[0][1] is None
    assert match(*apart, 2 * MS).pairs[0][1] is not None


def test_sample_counts_its_period_and_event_its_duration():
    assert report(7, 0, 80, "sampled", 3).duration_ns(50 * MS) == 150 * MS
    assert report(7, 0, 80).duration_ns(50 * MS) == 80 * MS
