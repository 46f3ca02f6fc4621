"""Names and fingerprints."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtests.probes.naming import comment, fingerprint, is_own, operation, pod


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


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("/* chat.accept */ SELECT 1", "chat.accept"),
        ("/* chat.accept@pod-1 */ SELECT 1", "chat.accept"),
        ("SELECT 1 /* chat.accept */ ;\n", "chat.accept"),
        ("SELECT 1 /*action='index',controller='chats',traceparent='00-5b'*/", "chats.index"),
        ("SELECT 1 /*action='chat%2Eaccept',route='%2Fchats'*/", "chat.accept"),
        ("SELECT 1 /*route='%2Fchats%2F%7Bid%7D',framework='fastapi'*/;", "/chats/{id}"),
        ("SELECT 1 /*controller='chats'*/", "chats"),
        ("SELECT 1 /*job='sweep'*/", "sweep"),
        ("SELECT 1 /*db_driver='asyncpg'*/", None),
        ("/* chat.accept */ SELECT 1 /*db_driver='asyncpg'*/", "chat.accept"),
        ("/* load the chats of an account */ SELECT 1", None),
        ("/*+ SeqScan(chats) */ SELECT 1", None),
        ("SELECT '/* chat.accept */'", None),
        ("/* cut off", None),
        ("*/", None),
        ("", None),
        (None, None),
    ],
)
def test_comments_at_either_end_name_the_operation(statement: str | None, expected: str | None) -> None:
    assert comment(statement) == expected


def test_cut_statement_is_named_by_its_beginning_only() -> None:
    assert comment("/* chat.accept */ SELECT '/* jane */", whole=False) == "chat.accept"
    assert comment("SELECT 'call me /*action='jane'*/", whole=False) is None


def test_names_that_sessions_bear_in_all_their_transactions() -> None:
    asked = (("pg_dump", None), ("chat.accept@pod-1", None), ("", None), (None, None), ("", "autovacuum worker"))
    own = [is_own(operation(a, None, backend), a, backend) for a, backend in asked]
    assert own == [True, False, False, False, True]
    assert not is_own(operation("uvicorn", "chats.index"), "uvicorn")


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
        ("select '--', 'secret'\n, 'more'", "select ?, ? , ?"),
        ("select '/*', name, '*/ secret'", "select ?, name, ?"),
        ('select "it\'s", t1.c2 from t where a in ($1, $2)', 'select "it\'s", t1.c2 from t where a in (…)'),
        ("insert into t values (1, 'a'), (2, 'b'),\n(3, 'c')", "insert into t values (…)"),
        (
            "select 0x1F, 1_000, 1e-5, .5, U&'x', E'\\'secret', B'01' /* a /* b */ secret */",
            "select ?, ?, ?, ?, ?, ?, ?",
        ),
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


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ('select "secret", `na"me` from t', 'select ?, `na"me` from t'),
        ("select 'its \\\\ secret', 'C:\\\\', 5 # secret", "select ?, ?, ?"),
        ("select 'it\\'s secret', 5", "select ?"),
        ('select "C:\\", a = "secret"', "select ?"),
        ("select 5--'it\n secret' -- secret\n, 6", "select ?--? , ?"),
        ("select /*+ BKA(t) */ /*!40001 SQL_NO_CACHE */ a from t", "select a from t"),
        ("select /*! 'it*/ secret' */ from t", "select"),
        ("select /*M!100100 `it*/ secret` */ from t", "select"),
        ("select 1 # it's\x00'secret'", "select ? \x00?"),
    ],
)
def test_fingerprint_of_mariadb(statement: str, expected: str) -> None:
    assert fingerprint(statement, mariadb=True) == expected


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("update t set p = 'C:\\' where n = 'secret'", "update t set p = ?"),
        ("update t set p = 'it\\'s secret' where n = 4", "update t set p = ?"),
        ("update t set p = 'it''s \\\\' where n = 'secret'", "update t set p = ? where n = ?"),
        ("update t set p = 'a\\b' where n = 'secret'", "update t set p = ? where n = ?"),
        ("update t set p = U&'C:\\0041\\' where n = 'secret'", "update t set p = ?"),
        ("update t set p = E'it\\'s secret' where n = 4", "update t set p = ? where n = ?"),
        ("select E'a'\n'it\\'s secret'", "select ? ?"),
        ("select 1 -- it\r, 'is secret'", "select ? , ?"),
        ("select $😀$ it's secret $😀$, 5", "select ?, ?"),
        ("select 😀$$, 'a$$ secret'", "select 😀$$, ?"),
    ],
)
def test_what_may_end_in_two_places_takes_the_rest(statement: str, expected: str) -> None:
    """A backslash escapes by the session's settings, which is unknown."""
    assert fingerprint(statement) == expected


VALUES = st.text(alphabet="'\"\\\\\\$/*-#;,() \n\x00aé😀", max_size=12).map(lambda text: text + "JAW'S" + text[::-1])
"""A customer's, with what could be taken for the end of something."""


@st.composite
def literals(draw: st.DrawFn, mariadb: bool, escapes: bool) -> str:
    """As a client writes them, by the reading of backslashes that its session has."""
    value = draw(VALUES)
    quote = draw(st.sampled_from("'\"")) if mariadb else "'"
    prefix = draw(st.sampled_from(("", "n", "_utf8mb4 ") if mariadb else ("", "n", "E", "$$")))
    if prefix == "$$":
        tag = draw(st.sampled_from(("$$", "$a$", "$é😀1$")))
        return tag + value.replace("$", "") + tag
    if prefix == "E" or escapes:
        value = value.replace("\\", "\\\\")
        return prefix + quote + value.replace(quote, draw(st.sampled_from(("\\" + quote, quote * 2)))) + quote
    return prefix + quote + value.replace(quote, quote * 2) + quote


@pytest.mark.parametrize("mariadb", [False, True])
@given(st.data(), st.booleans())
def test_no_value_survives_backslashes_and_cuts(mariadb: bool, data: st.DataObject, escapes: bool) -> None:
    values = [data.draw(literals(mariadb, escapes)) for _ in range(3)]
    comment = data.draw(st.sampled_from(("", "/* it's */", "-- it's\n", "# it's\n" if mariadb else "--it's\r")))
    statement = "update t set a = {}, b = {} {} where c = {}".format(*values[:2], comment, values[2])
    for cut in {len(statement), data.draw(st.integers(0, len(statement)))}:
        assert not set("JAWS") & set(fingerprint(statement[:cut], mariadb) or "")


PIECES = ("'", '"', "$$", "$a$", "/*", "*/", "--", "\n", "\\", "E'", "(", ",", ")", " ", "x", "é", "$1", ".")


@given(st.lists(st.sampled_from(PIECES)), st.text(alphabet="'\\$/*-\n a\"", max_size=12), st.integers(10**6, 10**9))
def test_no_literal_survives_in_any_context(pieces: list[str], surrounding: str, secret: int) -> None:
    """A number that begins nowhere in a name."""
    literal = "'" + (surrounding + f" {secret} ").replace("'", "''") + "'"
    whole = ["select ", literal, ", ", str(secret), " from t ", *pieces]
    assert str(secret) not in (fingerprint("".join(whole)) or "")


@pytest.mark.parametrize(
    "text", ["1" * 10**6 + "a", "'" * 10**6, "$a" * 10**6, "/*" * 10**6, "(?," * 10**6, "E'\\" * 10**6, " " * 10**6]
)
def test_statements_of_megabytes_are_fingerprinted_quickly(text: str) -> None:
    """Would take minutes with anything quadratic; a deadline of pytest's is the judge."""
    for n in range(50):
        fingerprint(text + str(n))
        comment(text + f"/*a='{n}" + text + "*/")
