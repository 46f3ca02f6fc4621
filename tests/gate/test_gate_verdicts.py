"""The lattice of verdicts."""

from hypothesis import given
from hypothesis import strategies as st

from reports.gate.judging.verdicts import EXIT_CODES, Check, Verdict, compose, guarded

PASS, FAIL, UNKNOWN = Verdict.PASS, Verdict.FAIL, Verdict.UNKNOWN
verdicts = st.sampled_from(Verdict)
lists = st.lists(verdicts, min_size=1)


@given(verdicts, verdicts, verdicts)
def test_composition_is_associative(a, b, c):
    assert compose([compose([a, b]), c]) is compose([a, compose([b, c])]) is compose([a, b, c])


@given(lists, st.randoms())
def test_composition_is_commutative(some, random):
    shuffled = random.sample(some, len(some))
    assert compose(some) is compose(shuffled)


@given(st.lists(verdicts))
def test_fail_absorbs(some):
    assert compose([*some, FAIL]) is FAIL


@given(verdicts)
def test_composition_is_idempotent_and_pass_is_neutral(a):
    assert compose([a, a]) is compose([a, PASS]) is a


@given(lists)
def test_pass_needs_all(some):
    assert (compose(some) is PASS) == all(v is PASS for v in some)


def test_nothing_is_unknown():
    assert compose([]) is UNKNOWN


def test_exit_codes():
    assert EXIT_CODES == {PASS: 0, FAIL: 1, UNKNOWN: 2}


def test_a_crashed_check_is_unknown_with_its_reason():
    def crash() -> Check:
        raise ZeroDivisionError("by zero")

    check = guarded("generator", "sqlite", crash)
    assert (check.check, check.storage, check.verdict) == ("generator", "sqlite", UNKNOWN)
    assert check.reason == "the check crashed: ZeroDivisionError: by zero"
