"""Candidate against baseline with correlated attempts: intervals, p-values, rounds as pairs."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from test_gate_clusters import in_blocks, rounds

from reports.gate.inputs.evidence import Counts
from reports.gate.judging.differences import Excused, difference
from reports.gate.judging.no_worse import Pair, Side, judge_difference
from reports.gate.judging.statistics import difference_bounds, p_difference_below
from reports.gate.judging.verdicts import Verdict
from reports.gate.slo.objectives import Objective

PASS, FAIL, UNKNOWN = Verdict.PASS, Verdict.FAIL, Verdict.UNKNOWN
ACCEPT = Objective("accept", "Accept", "chat.accept", 0.3, 0.99)


def pairs(new, old):
    return [Pair(Side((a,)), Side((b,)), place) for place, (a, b) in enumerate(zip(new, old, strict=True), 1)]


@given(rounds, rounds)
def test_correlated_attempts_widen_the_interval(new, old):
    new, old = new[: len(old)], old[: len(new)]
    assume(all(counts.n for counts in (*new, *old)))
    found = difference([((a,), (b,)) for a, b in zip(new, old, strict=True)])
    plain = difference_bounds(
        *(figure for side in (new, old) for figure in (sum(c.good for c in side), sum(c.n for c in side)))
    )
    lower, upper = found.bounds()
    assert lower <= plain[0] + 1e-9
    assert upper >= plain[1] - 1e-9
    assert -1 <= found.of_rounds().bounds()[0] <= lower if len(new) > 1 else True


@given(st.integers(1, 2000), st.integers(1, 2000), st.data())
def test_p_value_is_the_level_of_the_bound(n_1, n_2, data):
    good_1, good_2 = data.draw(st.integers(0, n_1)), data.draw(st.integers(0, n_2))
    limit = data.draw(st.floats(-0.5, 0.0))
    upper, p = difference_bounds(good_1, n_1, good_2, n_2)[1], p_difference_below(good_1, n_1, good_2, n_2, limit)
    assert (p < 0.05) == (upper < limit) or abs(upper - limit) < 1e-6


def test_tiny_difference_never_fails_however_many_attempts():
    """99.93 % against 99.90 %: 3 % of the error budget, where the margin is 10 %."""
    for n in (10_000, 200_000, 10_000_000, 10**12):
        new, old = (Counts(round(n * share), n - round(n * share)) for share in (0.9990, 0.9993))
        assert judge_difference(ACCEPT, pairs([new], [old])).verdict is not FAIL
        assert judge_difference(ACCEPT, pairs([new] * 3, [old] * 3)).verdict is not FAIL


def test_one_burst_does_not_fail_a_candidate():
    calm, burst = in_blocks([(20, 0, 0)] * 24), in_blocks([(20, 0, 0)] * 23 + [(20, 20, 0)])
    assert judge_difference(ACCEPT, pairs([burst], [calm])).verdict is UNKNOWN
    assert judge_difference(ACCEPT, pairs([Counts(460, 20)], [Counts(480, 0)])).verdict is FAIL  # as if independent


def test_bursts_in_every_round_fail_a_candidate():
    calm, bursts = in_blocks([(20, 0, 0)] * 24), in_blocks([(20, 0, 0), (20, 10, 0)] * 12)
    assert judge_difference(ACCEPT, pairs([bursts] * 2, [calm] * 2)).verdict is FAIL


def test_rounds_that_vary_are_one_observation_each():
    """Worse in half of the rounds, and better in the others: no difference is shown."""
    good, bad = Counts(995, 5), Counts(985, 15)
    found = difference([((a,), (b,)) for a, b in [(good, bad), (bad, good)] * 3])
    assert found.contrast.significant
    (lower, upper), (wide_lower, wide_upper) = found.bounds(), found.of_rounds().bounds()
    assert wide_lower < lower
    assert wide_upper > upper
    assert found.of_rounds().p_below(0.005) > found.p_below(0.005)


def test_excused_attempts_are_added():
    found = difference([((Counts(90, 10),), (Counts(95, 5),))])
    assert found.excusing(Excused(new_good=10)).bounds() == pytest.approx(difference_bounds(100, 100, 95, 100))
    assert found.excusing(Excused(4, 4, 0, 3)).bounds() == pytest.approx(difference_bounds(94, 104, 95, 103))


@pytest.mark.parametrize("concentration", [10.0, 1.0])
def test_equal_storages_rarely_fail_and_bounds_cover(concentration):
    rng = np.random.default_rng(2)

    def simulated():
        n = rng.poisson(25, 24)
        bad = rng.binomial(n, rng.beta(0.02 * concentration, 0.98 * concentration, 24))
        return in_blocks([(int(a), int(b), 0) for a, b in zip(n, bad, strict=True)])

    found = [
        judge_difference(ACCEPT, pairs([simulated() for _ in range(2)], [simulated() for _ in range(2)]))
        for _ in range(400)
    ]
    assert sum(figure.verdict is FAIL for figure in found) / 400 <= 0.085
    assert sum(figure.bounds[1] < 0 for figure in found) / 400 <= 0.085
    assert sum(figure.bounds[0] > 0 for figure in found) / 400 <= 0.085
