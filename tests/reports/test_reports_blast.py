"""The blast radius, from run directories to sentences."""

import pytest
from outages import MOVED, PODS, write_outage
from studies import Op, action, write_run

from reports.analysis.study import find
from reports.data.runs import read_study
from reports.sections.pods.blast_radius import after_another
from reports.text.blast_radius import decisive_events, radius_of

PAIR = ("a", "b")


def blast_of(study, **more):
    return find("study", read_study(study), **more).storages[0].blasts[0]


def words(blast):
    return radius_of([blast])


def attempts(pod, bad_from_s=99.0, bad_until_s=99.0, per_s=8, until_s=16):
    """Accepts of one pod, slow between the two moments."""
    times = [n / per_s for n in range(until_s * per_s)]
    return [Op("chat.accept", t, 2.0 if bad_from_s <= t < bad_until_s else 0.01, pod=pod) for t in times]


@pytest.fixture(scope="module")
def outage(tmp_path_factory):
    study = tmp_path_factory.mktemp("runs") / "study"
    write_outage(study)
    return blast_of(study)


def test_first_and_later_breaches_are_named(outage):
    assert words(outage) == (
        "pods 17 and 18 breached an SLO first (Accept chat) at 23 s, 3 s after “move 17 and 18 to dual writing "
        "(100 %)”; pods canary and 19 followed 6 s later; calm again 3 s after “roll 17, 18 and canary back to "
        "legacy”; pod 20 had no breach"
    )


def test_pod_has_its_actions_and_breach_time(outage):
    pods = {p.pod: p for p in outage.pods}
    assert tuple(pods) == PODS
    assert [[e.number for e in pods[name].done_to_it] for name in ("canary", "17", "19")] == [[1, 6], [2, 6], []]
    assert all(pods[name].breached_s == pytest.approx(24, abs=2) for name in MOVED)
    assert after_another(outage, pods["19"]) == "17 s after 1"
    assert after_another(outage, pods["20"]) == "—"


def test_a_pod_without_data_is_unknown_not_whole(tmp_path):
    write_run(tmp_path, operations=attempts(0, 8, 12), pods=PAIR, timeline=None)
    assert words(blast_of(tmp_path)).endswith("pod b: unknown, because too little was observed")


def test_breach_before_any_action_is_reported_as_such(tmp_path):
    write_run(tmp_path, operations=attempts(0, 6, 9) + attempts(1), pods=PAIR)
    text = words(blast_of(tmp_path))
    assert text == "pod a breached an SLO (Accept chat), 6 s into the load; calm again 3 s later; pod b had no breach"


def test_breach_in_the_warm_up_does_not_count(tmp_path):
    timeline = [action(10.0, "restart b", pods=["b"])]
    write_run(tmp_path, operations=attempts(0, 1, 4) + attempts(1), pods=PAIR, timeline=timeline)
    assert words(blast_of(tmp_path)) == "pods a and b breached no SLO"


def test_one_bad_attempt_is_no_breach(tmp_path):
    bad = [Op("chat.accept", 8.0 + 0.2 * n, 2.0, pod=0) for n in range(2)]
    write_run(tmp_path, operations=attempts(0) + attempts(1) + bad, pods=PAIR)
    assert words(blast_of(tmp_path)) == "pods a and b breached no SLO"


def test_the_limits_may_be_those_of_objectives(tmp_path):
    write_run(tmp_path, operations=attempts(0, 6, 9) + attempts(1), pods=PAIR)
    assert words(blast_of(tmp_path, limits_s={"chat.accept": 3.0})) == "pods a and b breached no SLO"


def test_one_pod_has_no_radius(tmp_path):
    write_run(tmp_path, operations=attempts(0, 6, 9))
    assert find("study", read_study(tmp_path)).storages[0].blasts == ()


def test_actions_before_a_breach_and_its_end_are_decisive(tmp_path):
    write_outage(tmp_path)
    storage = find("study", read_study(tmp_path)).storages[0]
    assert [event.number for event in decisive_events(storage)] == [2, 6]


def test_without_a_breach_the_first_of_few_kinds_of_actions_is_decisive(tmp_path):
    moves = [action(at_s, f"{at_s} % of all pods to both storages", pods=["a"]) for at_s in (6.0, 7.0)]
    kill = action(8.0, "pod a killed", do="kill", pods=["a"])
    write_run(tmp_path / "few", operations=attempts(0) + attempts(1), pods=PAIR, timeline=[*moves, kill])
    (storage,) = find("study", read_study(tmp_path / "few")).storages
    assert [event.number for event in decisive_events(storage)] == [1, 3]
    kinds = [action(6.0 + n, "…", do=do, pods=["a"]) for n, do in enumerate(("kill", "pause", "sweep", "resize"))]
    write_run(tmp_path / "many", operations=attempts(0) + attempts(1), pods=PAIR, timeline=kinds)
    (storage,) = find("study", read_study(tmp_path / "many")).storages
    assert decisive_events(storage) == []
