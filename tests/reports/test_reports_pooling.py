"""Figures of rounds are added; they are unknown where those of one round are."""

import numpy as np
import pytest

from reports.data.contract import CounterGrowth
from reports.findings.locks import Blame, LockWaits, Sampled, SampledRows, WaitDurations
from reports.findings.pooling import longest, summed, together_known
from reports.findings.transactions import Ended


def test_values_of_a_key_are_added_where_it_exists():
    assert summed([{"a": 1, "b": 2}, {"b": 3, "c": 4}, {}]) == {"a": 1, "b": 5, "c": 4}


@pytest.mark.parametrize(
    ("words", "known"),
    [
        (["event", "sampled"], "event and sampled"),
        (["event and sampled", "pod"], "event and pod and sampled"),
        (["pod", None], None),
        (["pod", ""], None),
        ([], None),
    ],
)
def test_all_parts_must_be_known(words, known):
    assert together_known(words) == known


def test_longest_ignores_what_is_unknown():
    assert longest([None, 0.1, 0.2]) == 0.2
    assert longest([None]) is None


@pytest.mark.parametrize("kind", [Blame, LockWaits, WaitDurations])
def test_sum_with_an_unknown_round_is_unknown(kind):
    assert (kind("pod") + kind(None)).known is None
    assert (kind(None) + kind("pod")).known is None
    assert (kind("pod") + kind("event")).known == "event and pod"


def test_waits_of_rounds_share_the_stages_that_all_have():
    whole = LockWaits("pod", 0.05, {("a", "b"): 1.0}, stages=np.array([1.0, 2.0])) + LockWaits(
        "sampled", 0.1, {("a", "b"): 0.5, ("a", "c"): 2.0}, stages=np.array([3.0])
    )
    assert whole.seconds == {("a", "b"): 1.5, ("a", "c"): 2.0}
    assert whole.period_s == 0.1
    assert whole.stages.tolist() == [4.0]


def test_threshold_that_one_round_lacks_holds_in_part():
    timed, untimed = WaitDurations("event", threshold_s=0.01), WaitDurations("sampled")
    assert (timed + untimed).in_part
    assert (timed + timed + untimed).in_part
    assert not (timed + timed).in_part
    assert (timed + WaitDurations("event", threshold_s=0.02)).threshold_s == 0.02


def test_counters_of_a_round_without_them_add_only_its_time():
    whole = CounterGrowth("", 10.0) + CounterGrowth("redis", 10.0, 8.0, 1, {"calls": 5})
    assert whole == CounterGrowth("redis", 20.0, 8.0, 1, {"calls": 5})


def test_sampled_rows_and_outcomes_are_added():
    rows = SampledRows(Sampled(1.0, 1.0, 1.0), 0.1, 0.5) + SampledRows(Sampled(2.0, 4.0, 2.0), 0.2, 0.25)
    assert rows == SampledRows(Sampled(3.0, 5.0, 2.0), 0.2, 0.75)
    assert Ended({"committed": 2}, None) + Ended({"committed": 1, "conflict": 1}, 1) == Ended(
        {"committed": 3, "conflict": 1}, 1
    )
