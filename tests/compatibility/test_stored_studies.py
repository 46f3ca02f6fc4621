"""Report and gate state the same figures about the studies of version 0.3.0, to the digits that hosts agree on."""

import functools

import pytest
from changed_verdicts import VERDICTS, is_intended
from stored_studies import STUDIES, figures_now, stored_documents
from study_figures import MISSING, RENAMED, TEXTS, Difference, differences, is_text, key_path, leaves, matched

DOCUMENTS = ("summary", "figures", "verdict", "comparison")

now = functools.cache(figures_now)


def shown(found: list[Difference]) -> str:
    lines = [f"{path}: stored {expected!r}, now {value!r}" for path, expected, value in found[:40]]
    return "\n".join([f"{len(found)} figures differ", *lines])


@pytest.mark.parametrize("document", DOCUMENTS)
@pytest.mark.parametrize("name", STUDIES)
def test_figures_are_those_that_were_stored(name, document):
    stored = stored_documents(name)
    if document == "comparison" and STUDIES[name].pair is None:
        assert document not in stored
        return
    found = differences({document: stored[document]}, now(name), RENAMED, TEXTS)
    unintended = [difference for difference in found if not is_intended(name, difference)]
    assert not unintended, shown(unintended)


@pytest.mark.parametrize("name", VERDICTS)
def test_each_verdict_that_is_listed_as_changed_has_changed(name):
    stored, today = stored_documents(name), dict(leaves(now(name)))
    before = dict(leaves(stored))
    for path, change in ((p, c) for listed in VERDICTS[name].values() for p, c in listed.items()):
        assert (before[key_path(path)], today[key_path(path)]) == change, path


def test_intervals_may_only_become_wider():
    low, high = "verdict/checks/3/interval/0", "verdict/checks/3/rounds/1/interval/1"
    assert is_intended("plain", Difference(low, 0.9, 0.8))
    assert is_intended("plain", Difference(high, 0.9, 0.95))
    assert not is_intended("plain", Difference(low, 0.8, 0.9))
    assert not is_intended("plain", Difference(high, 0.95, 0.9))
    assert not is_intended("plain", Difference("verdict/checks/3/observed", 0.95, 0.9))
    assert not is_intended("plain", Difference("verdict/checks/3/verdict", "pass", "fail"))


@pytest.mark.parametrize("pattern", sorted(TEXTS | RENAMED.keys()))
def test_each_pattern_matches_a_stored_key(pattern):
    assert any(matched(pattern, path) is not None for name in STUDIES for path, _ in leaves(stored_documents(name)))


STORED = {"a": {"p99": 1.5, "n": 3, "ok": True, "why": "text", "low": None}, "list": [1, 2]}


@pytest.mark.parametrize(
    ("now_found", "expected"),
    [
        (STORED, []),
        ({"list": [1, 2], "a": {**STORED["a"], "extra": 1}, "more": {}}, []),
        ({**STORED, "a": {**STORED["a"], "why": "other words"}}, []),
        ({**STORED, "a": {**STORED["a"], "p99": 1.5000000000000002}}, []),
        ({**STORED, "a": {**STORED["a"], "p99": 1.50000000001}}, [("a/p99", 1.5, 1.50000000001)]),
        ({**STORED, "a": {**STORED["a"], "p99": None}}, [("a/p99", 1.5, None)]),
        ({**STORED, "a": {**STORED["a"], "low": 0.5}}, [("a/low", None, 0.5)]),
        ({**STORED, "a": {**STORED["a"], "ok": 1}}, [("a/ok", True, 1)]),
        ({**STORED, "a": {k: v for k, v in STORED["a"].items() if k != "n"}}, [("a/n", 3, MISSING)]),
        ({**STORED, "list": [1, 2, 3]}, [("list/#", 2, 3)]),
        ({**STORED, "list": [2, 1]}, [("list/0", 1, 2), ("list/1", 2, 1)]),
    ],
)
def test_differences_are_found(now_found, expected):
    assert differences(STORED, now_found, {}, frozenset({"a/why"})) == expected


def test_values_changed_on_purpose_are_no_difference():
    stored = {"verdict": {"checks": [{"bias": "either", "check": "generator"}]}}
    today = {"verdict": {"checks": [{"bias": "hides, explains", "check": "generator"}]}}
    assert differences(stored, today, {}, frozenset()) == []
    assert differences(today, stored, {}, frozenset()) == [("verdict/checks/0/bias", "hides, explains", "either")]


def test_renamed_keys_are_found_at_their_new_place():
    stored = {"storages": {"sqlite": {"waits": {"n": 1, "s": 2.0}}, "redis": {"waits": {"n": 3, "s": 4.0}}}}
    today = {"systems": {"sqlite": {"locks": {"count": 1, "s": 2.0}}, "redis": {"locks": {"count": 3, "s": 5.0}}}}
    names = {"storages/*/waits": "systems/*/locks", "storages/*/waits/n": "systems/*/locks/count"}
    assert differences(stored, today, names, frozenset()) == [("storages/redis/waits/s", 4.0, 5.0)]


def test_a_number_is_never_a_text():
    assert is_text(("a", "reason"), "words", frozenset({"a/*"}))
    assert not is_text(("a", "reason"), 7, frozenset({"a/*"}))
