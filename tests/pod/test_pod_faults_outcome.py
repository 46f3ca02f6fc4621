"""What counts as a right verdict on a pod with a fault."""

import pytest

from benchmarks.pathologies.outcome import outcome
from loadtests.pod.faults.contract import load_fault

NOTIFY = load_fault("notify")
RIGHT = {"class": "commit_lock", "operation": "message.send", "first_s": 1.5}
OTHER = {"class": "lock_queue", "operation": "message.send", "first_s": 0.5}


def verdict(overall, *causes):
    return {"overall": overall, "causes": list(causes)}


@pytest.mark.parametrize(
    ("found", "right", "detected_s"),
    [
        (verdict("fail", RIGHT, OTHER), True, 1.5),
        (verdict("fail", OTHER, RIGHT), False, 1.5),
        (verdict("fail", RIGHT | {"operation": "chat.accept"}), False, None),
        (verdict("fail"), False, None),
        (verdict("unknown", RIGHT), False, 1.5),
        ({"overall": "fail"}, False, None),
        (None, False, None),
    ],
)
def test_verdict_has_to_fail_and_name_the_cause_first(found, right, detected_s):
    judged = outcome("notify", NOTIFY, found)
    assert (judged.right, judged.detected_s, judged.expected) == (right, detected_s, "commit_lock of message.send")


@pytest.mark.parametrize(("overall", "right"), [("pass", True), ("unknown", False), ("fail", False)])
def test_pod_without_the_fault_has_to_pass(overall, right):
    assert outcome("notify", None, verdict(overall)).right is right
