"""What a probe did not see: a slow or failing one cannot pass for one that sees."""

import pytest

from loadtests.records.probe_coverage import Tick, blind_windows, by_probe

S = 1_000_000_000
PERIOD = S // 10
TENTHS = range(100)


def blind(samples: list[tuple[int, bool]]) -> list[tuple[float, float]]:
    """The gaps (s) in ten seconds that these samples (tenths of a second, success) leave."""
    ticks = [Tick("p", at * PERIOD, PERIOD, None if saw else "timeout") for at, saw in samples]
    return [(begin / S, end / S) for begin, end in blind_windows(ticks, 0, 10 * S)]


def test_a_probe_that_always_sees_is_never_blind() -> None:
    assert blind([(at, True) for at in TENTHS]) == []


def test_failed_sample_is_a_gap_until_the_next() -> None:
    assert blind([(at, at not in (30, 50)) for at in TENTHS]) == [(3.0, 3.1), (5.0, 5.1)]


def test_late_samples_are_jitter_up_to_three_periods() -> None:
    assert blind([(at, True) for at in TENTHS if at % 3 == 0]) == []
    assert blind([(at, True) for at in TENTHS if at not in (31, 32, 33)]) == [(3.1, 3.4)]


def test_a_starved_probe_is_blind_however_regular_it_is() -> None:
    seen = blind([(at, True) for at in TENTHS if at % 10 == 0])
    assert sum(end - begin for begin, end in seen) == pytest.approx(9.0)


def test_a_probe_that_fails_two_times_of_three_is_blind_for_two_thirds() -> None:
    seen = blind([(at, at % 3 == 0) for at in TENTHS])
    assert sum(end - begin for begin, end in seen) == pytest.approx(6.6, abs=0.1)


def test_missing_ticks_at_either_end_are_gaps() -> None:
    assert blind([(at, True) for at in TENTHS if at >= 20]) == [(0.1, 2.0)]
    assert blind([(at, True) for at in TENTHS if at <= 70]) == [(7.1, 10.0)]


def test_a_probe_that_never_saw_anything_was_blind_throughout() -> None:
    windows = blind([(at, False) for at in TENTHS])
    assert sum(end - begin for begin, end in windows) == pytest.approx(10.0)
    assert blind([]) == [(0.0, 10.0)]


def test_ticks_are_grouped_by_probe() -> None:
    ticks = [Tick(name, 0, PERIOD, None) for name in ("a", "b", "a")]
    assert {name: len(some) for name, some in by_probe(ticks).items()} == {"a": 2, "b": 1}
