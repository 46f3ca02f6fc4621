# ruff: noqa: E501, RUF001  sentences are kept whole, and ranges are written with a dash
"""The story of outages and of timelines: phases of an outage, summed up over rounds; migrations that went through."""

from outages import write_outage
from studies import NS, Op, action, healthy_timeline, lock_wait, write_run

from reports.analysis.study import find
from reports.data.runs import read_study
from reports.text.story import story

PODS = ("17", "18", "19")
HOLD = action(6.0, "a stuck transaction holds the locks of chat.accept on 17", lasts_s=4.0, do="hold", pods=["17"])


def story_of(study):
    return story(find("study", read_study(study)))


def traffic(hurt=(), until_s=14.9, outcome="unknown", error="timeout", operation="chat.accept"):
    """Ten attempts a second on each pod; `hurt`: pod → (first, past) second in which none succeeds."""
    hurt = dict(hurt)
    for place, pod in enumerate(PODS):
        for tick in range(int(until_s * 10)):
            bad = pod in hurt and hurt[pod][0] <= tick / 10 < hurt[pod][1]
            result = {"outcome": outcome, "error": error, "response_s": 5.0} if bad else {"response_s": 0.02}
            yield Op(operation, planned_s=tick / 10, pod=place, **result)


def write_round(study, number, *operations, timeline=(HOLD,), **more):
    name = f"{number:02}-postgres"
    rows = [op for some in operations for op in some]
    timeline = sorted([*healthy_timeline(), *timeline])
    write_run(study, name, operations=rows, pods=PODS, timeline=timeline, **more)


def test_outage_has_beginning_spread_and_end(tmp_path):
    rollback = action(9.0, "100 % of all pods to the legacy storage", pods=PODS)
    write_round(tmp_path, 1, traffic({"17": (7, 11), "18": (7, 11), "19": (10, 12)}), timeline=(HOLD, rollback))
    found = story_of(tmp_path)
    assert found.headline == (
        "Accept chat stopped on pods 17 and 18, 1 s after the stuck transaction; pod 19 followed 3 s later; calm after "
        "the rollback."
    )
    assert found.hero == "blast-radius"
    assert found.radius == (
        "Pods 17 and 18 breached an SLO first (Accept chat) at 7 s, 1 s after the stuck transaction; pod 19 followed 3 s later, after the "
        "rollback; calm again 3 s after the rollback."
    )


def test_refused_connections_are_named(tmp_path):
    refused = {"outcome": "fail", "error": "connect_refused", "operation": "connection.create"}
    write_round(tmp_path, 1, traffic({"17": (7, 11)}), traffic({"19": (10, 12)}, **refused))
    assert story_of(tmp_path).headline == (
        "Accept chat stopped on pod 17, 1 s after the stuck transaction; pod 19 refused connections 3 s later; calm again 5 s "
        "later."
    )


def test_pod_that_an_action_hit_is_not_blamed_on_the_first(tmp_path):
    kill = action(10.0, "pod 19 killed", do="kill", pods=["19"])
    write_round(tmp_path, 1, traffic({"17": (7, 12), "19": (10, 13)}), timeline=(HOLD, kill))
    assert story_of(tmp_path).radius == (
        "Pod 17 breached an SLO first (Accept chat) at 7 s, 1 s after the stuck transaction; pod 19 followed 3 s later, after the "
        "kill of pod 19; calm again 6 s later; pod 18 had no breach."
    )


def test_reason_of_outage_is_root_blocker(tmp_path):
    waits = [
        lock_wait(7.0 + n / NS, 2.0, wait=n, root_operation="stuck chat.accept" if n < 3 else "message.send")
        for n in range(4)
    ]
    write_round(tmp_path, 1, traffic({"17": (7, 12)}), tables={"lock_waits": waits})
    assert {b.label: b.text for b in story_of(tmp_path).bullets}["why"] == (
        "17% of Accept chat failed or got no answer (Accept chat: no answer in time 50). 75% of 8.0 s of lock waits were "
        "behind a stuck transaction (Accept chat) at the root."
    )


def test_rounds_are_summed_up(tmp_path):
    for number, (later, end) in enumerate(((10, 12), (11, 13), (12, 14)), 1):
        write_round(tmp_path, number, traffic({"17": (7, 9), "18": (7, 9), "19": (later, end)}, until_s=15.9))
    found = story_of(tmp_path)
    assert found.headline == (
        "Accept chat stopped on pods 17 and 18, 1 s after the stuck transaction; pod 19 followed 3–5 s later; calm again 5–7 s "
        "later."
    )
    assert found.radius == (
        "In 3 of 3 rounds pods 17 and 18 breached an SLO first (Accept chat) at 7 s, 1 s after the stuck transaction; pod 19 followed "
        "3–5 s later; calm again 5–7 s later."
    )


def test_rounds_that_went_another_way_are_counted(tmp_path):
    write_round(tmp_path, 1, traffic({"17": (7, 11)}))
    write_round(tmp_path, 2, traffic({"17": (7, 11)}))
    write_round(tmp_path, 3, traffic({"19": (8, 11)}))
    write_round(tmp_path, 4, traffic())
    assert story_of(tmp_path).radius == (
        "In 2 of 4 rounds pod 17 breached an SLO (Accept chat) at 7 s, 1 s after the stuck transaction; pod 19 first in 1 and no breach "
        "in 1; calm again 4 s later; pod 18 had no breach."
    )


def test_pod_that_does_not_recover_is_named(tmp_path):
    write_round(tmp_path, 1, traffic({"17": (7, 16)}, until_s=15.9))
    found = story_of(tmp_path)
    assert found.headline == "Accept chat stopped on pod 17, 1 s after the stuck transaction; pod 17 did not recover."
    assert {b.label: b.text for b in found.bullets}["next"] == (
        "Find out why pod 17 did not recover: nothing in this timeline ended it for them."
    )


def test_recovery_that_was_not_observed_is_unknown(tmp_path):
    good = [Op("chat.accept", planned_s=14.0 + tick / 10, response_s=0.02) for tick in range(9)]
    write_round(tmp_path, 1, traffic({"17": (7, 14)}, until_s=14.0), good)
    found = story_of(tmp_path)
    assert found.headline == (
        "Accept chat stopped on pod 17, right after the stuck transaction; the load ended before it was known whether pod 17 recovered."
    )


def test_breach_without_actions_is_timed_from_the_load(tmp_path):
    write_round(tmp_path, 1, traffic({"18": (8, 10)}), timeline=())
    assert story_of(tmp_path).headline == "Accept chat stopped on pod 18, 8 s into the load; calm again 2 s later."


def test_outage_among_systems_names_its_system(tmp_path):
    write_round(tmp_path, 1, traffic({"18": (8, 10)}))
    write_run(tmp_path, "02-memory", operations=list(traffic()), pods=PODS)
    found = story_of(tmp_path)
    assert found.headline == (
        "On postgres, Accept chat stopped on pod 18, 2 s after the stuck transaction; calm again 2 s later."
    )
    assert found.radius == (
        "On postgres, pod 18 breached an SLO (Accept chat) at 8 s, 2 s after the stuck transaction; calm again 2 s later; pods 17 and 19 "
        "had no breach. On memory, pods 17, 18 and 19 breached no SLO."
    )


def test_outage_of_five_pods_is_one_sentence(tmp_path):
    write_outage(tmp_path)
    write_outage(tmp_path, "02-dual-postgres-mariadb", seed=9, round=2)
    found = story_of(tmp_path)
    assert found.headline == (
        "Accept chat degraded on pods 17 and 18, 3 s after action 2; canary and 19 refused connections 6 s later; "
        "calm after action 6."
    )
    assert len(found.headline.split()) <= 25


def test_migration_without_a_breach_went_through(tmp_path):
    move = action(8.0, "100 % of all pods to both storages", do="migrate", pods=PODS)
    stages = [
        {"name": name, "starts_s": at, "duration_s": 4.0, "agents": 2, "arrivals_per_s": 5.0, "judge": True}
        for name, at in (("before", 4.0), ("dual", 8.0), ("after", 12.0))
    ]
    rows = [
        Op("chat.accept", planned_s=4.0 + 12 * i / 1200, response_s=0.06 if 400 <= i < 800 else 0.02)
        for i in range(1200)
    ]
    timeline = sorted([*healthy_timeline(stages), move])
    write_run(tmp_path, operations=rows, timeline=timeline, manifest={"stages": stages})
    found = story_of(tmp_path)
    assert found.headline == (
        "The migration made Accept chat 3.0 times slower: p99 20 ms before, 60 ms in the worst stage (dual)."
    )
    assert found.hero == "story"
    calm = [Op("chat.accept", planned_s=4.0 + 12 * i / 1200, response_s=0.02) for i in range(1200)]
    write_run(tmp_path / "calm", operations=calm, timeline=timeline, manifest={"stages": stages})
    assert story_of(tmp_path / "calm").headline == (
        "Accept chat went through the migration without a failure: p99 20 ms before, 20 ms in the worst stage."
    )


def test_action_without_words_is_quoted_and_cut(tmp_path):
    run = action(6.0, f"{'x' * 200}\n<script>", do="run", pods=["17"])
    write_round(tmp_path, 1, traffic({"17": (8, 10)}), timeline=(run,))
    assert story_of(tmp_path).headline == (
        f"Accept chat stopped on pod 17, 2 s after “{'x' * 39}…”; calm again 2 s later."
    )
