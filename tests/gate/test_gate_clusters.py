"""Effective numbers of attempts: known designs, properties, and coverage by simulation."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.gate.inputs.evidence import BlockCount, BlockGrid, Counts
from reports.gate.judging.clusters import contrast, sample, sample_of_rounds
from reports.gate.judging.shares import judge_share, judge_shares
from reports.gate.judging.statistics import exact_bounds, p_below
from reports.gate.judging.verdicts import Verdict

PASS, FAIL, UNKNOWN = Verdict.PASS, Verdict.FAIL, Verdict.UNKNOWN
ORDER = [PASS, UNKNOWN, FAIL]
GRID = BlockGrid(0, 5)


def in_blocks(blocks):
    """A round: of each block the number of attempts, how many are bad, and how many of these are unattributed."""
    given = [BlockCount(5 * place, *block) for place, block in enumerate(blocks) if block[0]]
    n, bad, unattributed = (sum(block[column] for block in given) for column in (1, 2, 3))
    return Counts(n - bad, bad, 0, unattributed, tuple(given), GRID)


def block(n):
    return st.integers(0, n).flatmap(lambda bad: st.tuples(st.just(n), st.just(bad), st.integers(0, bad)))


blocks = st.lists(st.integers(0, 40).flatmap(block), min_size=1, max_size=16)
rounds = st.lists(blocks.map(in_blocks), min_size=1, max_size=4)
targets = st.floats(0.01, 0.999)


# --- effective numbers ---


@pytest.mark.parametrize(
    ("blocks", "effective"),
    [
        ([(10, 0, 0)] * 12, 120),  # all good: nothing shows that they are correlated
        ([(10, 10, 0)] * 12, 120),
        ([(10, 1, 0)] * 12, 120),  # every block is alike
        ([(10, 10, 0), (10, 0, 0)] * 6, 12),  # a block is good or bad as a whole
        ([(100, 3, 0)], 1),  # one block: how blocks differ is unknown
        ([(100, 3, 0), (100, 5, 0)], 26.3),  # one degree of freedom says little, although the two are nearly alike
    ],
)
def test_effective_number_of_known_designs(blocks, effective):
    assert sample([in_blocks(blocks)]).effective() == pytest.approx(effective, rel=1e-3)


def test_design_effect_is_that_of_the_textbook():
    """Variance of the mean of block shares, of equal blocks, by hand; the correction for freedom is that of t."""
    from scipy import stats

    bad = [1, 3, 0, 2, 4, 2, 1, 3]
    found = sample([in_blocks([(20, b, 0) for b in bad])])
    shares = 1 - np.array(bad).reshape(4, 2) / 20  # neighbours are a stratum
    variance = (shares.var(axis=1, ddof=1) * 2).sum() / 8**2
    p = 1 - sum(bad) / 160
    expected = p * (1 - p) / variance * (stats.t.ppf(0.95, 159) / stats.t.ppf(0.95, 4)) ** 2
    assert found.effective() == pytest.approx(min(max(expected, 8), 160))


def test_what_every_round_repeats_is_no_chance():
    """An outage at the same place in each round is a part of the scenario; in different places it is not."""
    here, there = [(20, 0, 0)] * 5 + [(20, 18, 0)] * 2 + [(20, 0, 0)] * 5, [(20, 18, 0)] * 2 + [(20, 0, 0)] * 10
    assert sample([in_blocks(here)] * 2).effective() == 480
    assert sample([in_blocks(here), in_blocks(there)]).effective() < 60


def test_attempts_without_a_known_time_count_each():
    assert sample([Counts(900, 100)]).effective() == 1000
    assert sample([Counts(900, 100), in_blocks([(10, 10, 0), (10, 0, 0)])]).effective() == 1020


def test_nothing_has_no_attempts():
    assert sample([]).effective() == sample([Counts(0, 0)]).effective() == 0


@given(rounds, st.floats(1, 50))
def test_effective_number_lies_between_blocks_and_attempts(rounds, times):
    found = sample(rounds)
    assert 0 <= found.effective() <= found.n + 1e-9
    assert found.effective(times) >= found.effective() * (1 - 1e-9)
    if 0 < found.good < found.n:
        sizes = [b.n for counts in rounds for b in counts.blocks]
        assert found.effective() >= found.n**2 / sum(n * n for n in sizes) * (1 - 1e-9)


@given(st.integers(1, 3000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.floats(0.01, 0.99))
def test_p_value_is_below_5_percent_when_the_bound_is_below_the_target(sizes, target):
    good, n = sizes
    bound, p = exact_bounds(good, n)[1], p_below(good, n, target)
    assert (p < 0.05) == (bound < target) or abs(bound - target) < 1e-6


# --- rounds ---


def test_rounds_that_differ_by_more_than_chance_are_found():
    calm, bad = in_blocks([(20, 0, 0), (20, 1, 0)] * 12), in_blocks([(20, 4, 0), (20, 5, 0)] * 12)
    assert contrast([calm, bad]).significant
    assert not contrast([calm, calm]).significant
    assert not contrast([calm]).significant
    assert sample_of_rounds([calm, bad, calm]).effective() < 10


def test_blocks_that_vary_much_explain_rounds_that_do():
    """One burst in one of two rounds is no difference between rounds."""
    calm, burst = in_blocks([(20, 0, 0)] * 24), in_blocks([(20, 0, 0)] * 23 + [(20, 20, 0)])
    assert not contrast([calm, burst]).significant
    assert contrast([Counts(480, 0), Counts(460, 20)]).significant  # as if they were independent


def test_rounds_found_to_differ_by_chance_are_one_in_a_hundred():
    rng = np.random.default_rng(3)

    def simulated():
        n = rng.poisson(25, 24)
        return in_blocks([(int(a), int(b), 0) for a, b in zip(n, rng.binomial(n, rng.beta(0.5, 9.5, 24)), strict=True)])

    found = [contrast([simulated() for _ in range(3)]).significant for _ in range(1000)]
    assert sum(found) <= 25


@given(st.lists(st.builds(Counts, st.integers(1, 400), st.integers(0, 40)), min_size=2, max_size=4), targets)
def test_splitting_a_round_changes_no_verdict_where_rounds_are_alike(rounds, target):
    if not contrast(rounds).significant:
        whole = sum(rounds, Counts(0, 0))
        assert judge_shares(rounds, target).verdict is judge_share(whole, target).verdict


# --- verdicts ---


@given(rounds, targets, st.data())
def test_good_attempts_never_turn_pass_into_fail(rounds, target, data):
    place = data.draw(st.integers(0, len(rounds) - 1))
    given = list(rounds[place].blocks) or [BlockCount(0, 0, 0)]
    at = data.draw(st.integers(0, len(given) - 1))
    given[at] = given[at]._replace(n=given[at].n + data.draw(st.integers(1, 500)))
    better = in_blocks([b[1:] for b in given])
    after = judge_shares([*rounds[:place], better, *rounds[place + 1 :]], target)
    assert not (judge_shares(rounds, target).verdict is PASS and after.verdict is FAIL)


@given(rounds, targets, st.data())
def test_unattributed_attempts_only_widen(rounds, target, data):
    """They are bad for a pass and good for a fail: more of them leave the pass and weaken the fail."""
    before = judge_shares(rounds, target)
    place = data.draw(st.integers(0, len(rounds) - 1))
    more = replace(rounds[place], unattributed=data.draw(st.integers(rounds[place].unattributed, rounds[place].bad)))
    after = judge_shares([*rounds[:place], more, *rounds[place + 1 :]], target)
    assert (after.verdict, after.bounds) == (before.verdict, before.bounds)
    assert after.p_fail >= before.p_fail
    assert before.certain or not after.certain


@given(rounds, st.tuples(targets, targets).map(sorted))
def test_higher_target_is_never_easier(rounds, pair):
    lower, higher = (judge_shares(rounds, target).verdict for target in pair)
    assert ORDER.index(higher) >= ORDER.index(lower)


# --- coverage, with a fixed seed ---


def errors(share, concentration, rounds, length):
    """How often the lower bound lies above the true share of good, and the upper one below it: of blocks whose shares
    of bad attempts are drawn from a beta distribution around the true one."""
    rng, times = np.random.default_rng(11), 400
    above = below = 0
    for _ in range(times):
        made = []
        for _ in range(rounds):
            n = rng.poisson(25, length)
            bad = rng.binomial(n, rng.beta((1 - share) * concentration, share * concentration, length))
            made.append(in_blocks([(int(a), int(b), 0) for a, b in zip(n, bad, strict=True)]))
        lower, upper = judge_shares(made, 0.5).bounds
        above, below = above + (lower > share), below + (upper < share)
    return above / times, below / times


@pytest.mark.parametrize(
    ("share", "concentration", "rounds", "length"),
    [(0.9, 1e6, 1, 12), (0.9, 10, 2, 12), (0.9, 1, 3, 60), (0.95, 10, 1, 60), (0.95, 1, 3, 60), (0.99, 10, 3, 60)],
)
def test_intervals_cover_the_true_share_of_correlated_attempts(share, concentration, rounds, length):
    """Each bound is to be wrong once in twenty times; with 400 studies, 8.5 % is three standard errors above."""
    above, below = errors(share, concentration, rounds, length)
    assert above <= 0.085
    assert below <= 0.085
