"""Headlines of random findings: short, and without marks for missing values."""

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from outages import write_outage
from studies import Op, write_run

from loadtests.records.vocabulary import ERRORS
from reports.analysis.study import find
from reports.data.runs import read_study
from reports.findings.causes import CAUSES, Split
from reports.findings.estimates import Estimate
from reports.findings.slis import Span
from reports.sections import sections_of
from reports.text.plain_names import MOST_WORDS
from reports.text.story import story

MISSING = ("—", "None", "nan", "inf")
names = st.text(min_size=1, max_size=80).filter(lambda text: not any(mark in text for mark in MISSING))
counts = st.integers(0, 2000)
seconds = st.floats(0, 60)


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    study = tmp_path_factory.mktemp("plain")
    for number, name in enumerate(("sqlite", "memory", "redis"), 1):
        accepts = [Op("chat.accept", planned_s=5.0 + i / 20, response_s=0.02) for i in range(150)]
        write_run(study, f"0{number}-{name}", operations=[*accepts, Op("event.deliver"), Op("message.send")])
    return find("study", read_study(study))


@pytest.fixture(scope="module")
def outage(tmp_path_factory):
    study = tmp_path_factory.mktemp("outage")
    write_outage(study)
    write_outage(study, "02-dual-postgres-mariadb", seed=9, round=2)
    return find("study", read_study(study))


@st.composite
def estimates(draw):
    value = draw(st.integers(1, 10**11))
    low = draw(st.none() | st.integers(0, value))
    high = draw(st.none() | st.integers(value, 10**12))
    return Estimate(value, low, high, draw(st.booleans()))


@st.composite
def measures(draw, base):
    outcomes = {name: draw(counts) for name in ("ok", "refused", "fail", "unknown")}
    known = draw(st.integers(1, 5))
    response = {f: draw(estimates()) if place < known or f == "max" else None
                for place, f in enumerate(("p50", "p95", "p99", "p99.9", "max"))}  # fmt: skip
    errors = draw(st.dictionaries(st.sampled_from(ERRORS[1:]), counts, max_size=3))
    rounds = {run: response if draw(st.booleans()) else dict.fromkeys(response) for run in base.rounds}
    return replace(base, outcomes=outcomes, response=response, errors=errors, rounds=rounds, good=draw(counts))


@st.composite
def splits(draw):
    parts = {cause: draw(st.floats(1, 1e9)) for cause in CAUSES}
    locks = draw(st.dictionaries(st.tuples(names, names), st.floats(1, 1e9), max_size=3))
    return Split(sum(parts.values()), 40, parts, locks, at_least=draw(st.booleans()))


@st.composite
def systems(draw, base):
    found = {name: draw(measures(measure)) for name, measure in base.measures.items() if draw(st.integers(0, 3))}
    causes = replace(base.causes, splits={name: {"p99": draw(splits())} for name in found})
    return replace(base, label=draw(names)[:32], measures=found, causes=causes)


@st.composite
def blasts(draw, base):
    def spans():
        return tuple(
            Span(draw(st.sampled_from(("chat.accept", "connection.create"))), begin, begin + draw(st.floats(1, 9)), 1.0,
                 draw(st.booleans()))
            for begin in sorted(draw(st.lists(st.floats(0, 50), max_size=2)))
        )  # fmt: skip

    pods = tuple(replace(pod, pod=draw(names), spans=spans()) for pod in base.pods)
    events = tuple(
        replace(event, do=draw(st.sampled_from(("hold", "kill", "migrate", "run", ""))), words=draw(names))
        for event in base.run.events
    )
    return replace(base, pods=pods, run=replace(base.run, events=events))


def check(findings):
    found = story(findings)
    headline = found.headline
    assert 1 < len(headline.split()) <= MOST_WORDS
    assert len(headline) < 700
    assert not any(mark in headline for mark in MISSING)
    assert len(found.bullets) <= 3
    anchors = {section.name for section in sections_of(findings)}
    assert {bullet.section for bullet in found.bullets} | {found.hero} <= anchors
    assert all(text.isprintable() for text in (headline, *(bullet.text for bullet in found.bullets)))


quick = settings(
    max_examples=30,
    deadline=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@quick
@given(data=st.data())
def test_headline_of_random_systems_is_short(plain, data):
    chosen = data.draw(st.integers(1, 3))
    check(replace(plain, storages=tuple(data.draw(systems(s)) for s in plain.storages[:chosen])))


@quick
@given(data=st.data())
def test_headline_of_random_outages_is_short(outage, data):
    (base,) = outage.storages
    system = replace(data.draw(systems(base)), blasts=tuple(data.draw(blasts(blast)) for blast in base.blasts))
    check(replace(outage, storages=(system,)))
