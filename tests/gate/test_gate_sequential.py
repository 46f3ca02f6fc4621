"""Verdicts during a run: checked after every block, and wrong no more often than promised."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.gate.inputs.evidence import BlockCount
from reports.gate.judging.sequential import ALPHA, decide, wealth
from reports.gate.judging.verdicts import Verdict

TARGETS = st.floats(0.5, 0.9999)
BLOCKS = st.lists(
    st.integers(0, 60).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n)).map(lambda nb: BlockCount(0, *nb))),
    min_size=1,
    max_size=60,
)


def blocks(n, bad):
    return [BlockCount(place * 5 * 10**9, int(a), int(b)) for place, (a, b) in enumerate(zip(n, bad, strict=True))]


def simulated(rng, share, concentration, length=240, rate=25):
    """Blocks in which attempts fail together: the share of bad of each is drawn anew around `share`."""
    n = rng.poisson(rate, length)
    return blocks(n, rng.binomial(n, rng.beta(share * concentration, (1 - share) * concentration, length)))


def verdicts(share, target, concentration=4.0, times=400):
    rng = np.random.default_rng(7)
    return [decide(simulated(rng, share, concentration), target).verdict for _ in range(times)]


@pytest.mark.parametrize("concentration", [0.5, 4.0, 1000.0])
def test_storage_at_its_target_is_rarely_failed(concentration):
    found = verdicts(share=0.05, target=0.95, concentration=concentration)
    assert found.count(Verdict.FAIL) / len(found) <= ALPHA


@pytest.mark.parametrize("concentration", [0.5, 4.0, 1000.0])
def test_storage_just_below_its_target_rarely_passes(concentration):
    found = verdicts(share=0.0501, target=0.95, concentration=concentration)
    assert found.count(Verdict.PASS) / len(found) <= ALPHA


def test_four_times_the_budget_is_found_within_three_minutes():
    rng = np.random.default_rng(7)
    found = [decide(simulated(rng, 0.2, 4.0), 0.95) for _ in range(100)]
    assert {one.verdict for one in found} == {Verdict.FAIL}
    assert np.median([one.blocks for one in found]) <= 36


def test_storage_without_a_bad_attempt_passes():
    assert decide(blocks([25] * 240, [0] * 240), 0.95).verdict is Verdict.PASS


def test_target_of_all_fails_with_the_first_bad_attempt_and_never_passes():
    assert decide(blocks([9, 9, 9], [0, 1, 0]), 1.0) == (Verdict.FAIL, 2)
    assert decide(blocks([9] * 999, [0] * 999), 1.0) == (Verdict.UNKNOWN, 999)


def test_target_of_none_never_fails():
    assert decide(blocks([9] * 50, [9] * 50), 0.0).verdict is Verdict.UNKNOWN
    assert decide(blocks([9, 9], [9, 0]), 0.0) == (Verdict.PASS, 2)


def test_nothing_is_unknown():
    assert decide([], 0.95) == (Verdict.UNKNOWN, 0)
    assert decide(blocks([0, 0], [0, 0]), 0.95) == (Verdict.UNKNOWN, 2)


def test_more_objectives_need_more_evidence():
    bad = blocks([20] * 40, [4] * 40)
    assert decide(bad, 0.95).blocks < decide(bad, 0.95, objectives=20).blocks


def test_unattributed_attempts_neither_fail_nor_pass():
    doubtful = [BlockCount(0, 20, 20, unattributed=20)] * 100
    assert decide(doubtful, 0.95).verdict is Verdict.UNKNOWN


@given(BLOCKS, TARGETS)
def test_wealth_is_never_negative_and_a_verdict_stays(counts, target):
    found = wealth(counts, target)
    assert (found.against_met >= 0).all()
    assert (found.against_missed >= 0).all()
    first = decide(counts, target)
    assert decide([*counts, *counts], target)[: 2 if first.verdict is not Verdict.UNKNOWN else 0] == (
        first if first.verdict is not Verdict.UNKNOWN else ()
    )


@given(BLOCKS, TARGETS, st.data())
def test_bad_attempts_only_move_towards_fail(counts, target, data):
    place = data.draw(st.integers(0, len(counts) - 1))
    n = counts[place].n
    worse = [*counts[:place], counts[place]._replace(bad=n), *counts[place + 1 :]]
    assert wealth(worse, target).against_met[-1] >= wealth(counts, target).against_met[-1] * (1 - 1e-9)
    assert wealth(worse, target).against_missed[-1] <= wealth(counts, target).against_missed[-1] * (1 + 1e-9)
