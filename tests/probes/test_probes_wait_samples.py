"""The samples of a wait, kept compactly: the same answers as of all samples one by one."""

import random
from collections import Counter
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtests.probes.jsonlog.reconciling import FOR_EVER, Competitors, WaitReconciler
from loadtests.probes.wait_samples import WaitSample, add
from loadtests.probes.waits import Chain, Lock, Party, Wait, Waits, waits_in

MS = 1_000_000
PERIOD_NS = 50 * MS
WORST_MS = 20
HOUR = 72_000


class Made(NamedTuple):
    """A part of a statement's wait: begun some time after the one before it; in the log, or not, its stamp late."""

    after_ms: int
    lasts_ms: int
    is_logged: bool
    late_ms: int

    def span(self, began_ns: int) -> tuple[int, int]:
        return began_ns + self.late_ms * MS, began_ns + self.lasts_ms * MS


MADE = st.lists(
    st.builds(
        Made,
        st.integers(1, 400),
        st.one_of(st.integers(1, 300), st.integers(1000, 8000)),
        st.booleans(),
        st.one_of(st.integers(0, 3), st.integers(0, 900)),
    ).filter(lambda made: made.late_ms < made.lasts_ms),
    min_size=1,
    max_size=5,
)


def samples_at(parts: list[tuple[int, int]], chance: random.Random) -> list[WaitSample]:
    """At those parts, beginning and end: each sample is at some time between its request and its answer."""
    found, at_ns = [], 0
    while at_ns < parts[-1][1]:
        error_ns = chance.choice((1, 1, 5, WORST_MS)) * MS
        truly_ns = at_ns + chance.randint(-error_ns, error_ns)
        for number, (began_ns, ended_ns) in enumerate(parts):
            if began_ns <= truly_ns < ended_ns:
                found.append(WaitSample(began_ns + at_ns - truly_ns, at_ns, error_ns, number))
        at_ns += PERIOD_NS
    return found


def left(samples: list[WaitSample], spans: list[tuple[int, int]]) -> tuple[int | None, int | None, int | None] | None:
    """What is left of the wait beside those in the log."""
    lock = Lock(1, "tag", "transactionid", "ShareLock", False, age_ns=5)
    first, last = samples[0], samples[-1]
    hits = sum(sample.hits for sample in samples)
    ended_ns = last.at_ns + PERIOD_NS // 2
    wait = Wait(lock, "row of t", first.since_ns, first.error_ns, last.at_ns, hits, ended_ns, samples=samples)
    wait.chains[None] = hits
    reconciler = WaitReconciler()
    reconciler.sampled([wait])
    is_logged = [Wait(lock, "row of t", b, 0, e, None, e, "event", chains=Counter([None])) for b, e in spans]
    reconciler.logged(is_logged, [Competitors(frozenset(), frozenset())] * len(is_logged))
    rest = [w for w in reconciler.settled(FOR_EVER) if w.known == "sampled"]
    return (rest[0].hits, rest[0].last_ns, rest[0].ended_ns) if rest else None


@given(MADE, st.integers(0, 1 << 32))
def test_folded_samples_give_the_same_answers(made: list[Made], seed: int) -> None:
    """Where the log is silent between two parts, samples separate them only when they are far enough apart."""
    now_ns, parts, silent_ms = 0, [], 0
    for part in made:
        began_ns = now_ns + (part.after_ms + (0 if part.is_logged else silent_ms)) * MS
        now_ns = began_ns + part.lasts_ms * MS
        parts.append((began_ns, now_ns))
        silent_ms = 2 * WORST_MS if part.is_logged else 0
    every = samples_at(parts, random.Random(seed))
    if not every:
        return
    kept: list[WaitSample] = []
    for sample in every:
        add(kept, sample)
    spans = [part.span(began_ns) for part, (began_ns, _) in zip(made, parts, strict=True) if part.is_logged]
    assert left(kept, spans) == left(every, spans)
    assert all(sample.hits == 1 for sample in (kept[0], kept[-1]))


def test_early_samples_and_the_last_one_stay_separate() -> None:
    kept: list[WaitSample] = []
    for number in range(1, 101):
        add(kept, WaitSample(0, number * PERIOD_NS, MS, 7))
    assert [sample.hits for sample in kept] == [1] * 20 + [79, 1]
    assert kept[-2].at_ns == 99 * PERIOD_NS


def test_readings_that_differ_are_no_sample() -> None:
    """The server's clock was set: the same wait seems to have begun at another moment."""
    kept: list[WaitSample] = []
    for number in range(60, 100):
        add(kept, WaitSample(0 if number < 80 else -90 * PERIOD_NS, number * PERIOD_NS, MS, 7))
    assert [sample.hits for sample in kept] == [19, 1, 19, 1]


@pytest.mark.parametrize("since", [600, None])
def test_a_wait_of_an_hour_takes_no_more_room_than_one_of_seconds(since: int | None) -> None:
    """Also where the server does not report since when, and where another blocks in every sample."""
    waits, waiter = Waits(PERIOD_NS), Lock(2, "x", "transactionid", "ShareLock", False, since=since)
    for number in range(HOUR):
        at_ns = number * PERIOD_NS
        holder = Lock(10 + number % 3 * number, "x", "transactionid", "ExclusiveLock", True)
        waiting = waiter._replace(age_ns=None if since is None else at_ns)
        waits.observe(at_ns, MS, waits_in([holder, waiting]))
    (wait,) = waits.rest()
    assert (wait.hits, sum(sample.hits for sample in wait.samples)) == (HOUR, HOUR)
    assert (len(wait.samples) <= 25, len(wait.chains) <= 64) == (True, True)
    assert wait.chain == Chain(Party(10, None), Party(10, None), 1)
