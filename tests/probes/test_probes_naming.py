"""Names and fingerprints."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtests.probes.naming import fingerprint, operation, pod


@pytest.mark.parametrize(
    ("application", "comment", "backend", "expected"),
    [
        ("chat.accept@pod-1", "read", "client backend", "chat.accept"),
        ("idle@pod-1", "read", "client backend", "read"),
        ("idle@pod-1", None, "client backend", None),
        ("pg_dump", None, "client backend", "pg_dump"),
        ("pg_dump", "chat.accept", "client backend", "chat.accept"),
        ("", None, "client backend", None),
        (None, None, None, None),
        ("", None, "autovacuum worker", "autovacuum worker"),
    ],
)
def test_operation(application: str | None, comment: str | None, backend: str | None, expected: str | None) -> None:
    assert operation(application, comment, backend) == expected


def test_pod() -> None:
    assert [pod(a) for a in ("chat.accept@pod-1", "idle@p@2", "psql", "", None)] == ["pod-1", "2", None, None, None]


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        (
            "/* chat.accept */ SELECT n\n FROM hot WHERE id = $1 FOR UPDATE",
            "SELECT n FROM hot WHERE id = $1 FOR UPDATE",
        ),
        ("select * from t where name = 'it''s me' and n > 12.5e3", "select * from t where name = ? and n > ?"),
        ("select E'a\\'b', $$secret$$, $tag$more$tag$ -- and 7\n;", "select ?, ?, ?"),
        ("insert into t1 values (1, 2, 'three')", "insert into t1 values (…)"),
        ("update t set a = 'cut off in the mid", "update t set a = ?"),
        ("/* cut off", None),
        (None, None),
    ],
)
def test_fingerprint(statement: str | None, expected: str | None) -> None:
    assert fingerprint(statement) == expected


@given(secret=st.text(alphabet="abc'0 ", min_size=3), number=st.integers(min_value=1000))
def test_no_value_survives(secret: str, number: int) -> None:
    quoted = secret.replace("'", "''")
    assert fingerprint(f"select x from t where a = '{quoted}' and b = {number}") == (
        "select x from t where a = ? and b = ?"
    )
