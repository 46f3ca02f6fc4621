"""What addresses mean: each key is honoured or refused by name, and no message holds a part of a password."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtests import engines
from loadtests.drivers.addresses import parse_address
from loadtests.drivers.addresses.contract import AddressError, Place
from loadtests.drivers.addresses.uri import build, redirected, split

SECRET = "hunter2"
BASE = {
    "postgres": f"postgresql://u:{SECRET}@h/d",
    "mariadb": f"mariadb://u:{SECRET}@h/d",
    "mysql": f"mysql://u:{SECRET}@h/d",
    "redis": f"redis://u:{SECRET}@h/3",
}
TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), min_size=1, max_size=20)
NAMES = st.text(string.ascii_lowercase + string.digits + "._-", min_size=1, max_size=20)
HOSTS = st.one_of(
    NAMES,
    st.ip_addresses().map(str),
    TEXT.map(lambda text: f"/{text}"),
)
PLACES = st.builds(Place, HOSTS, st.integers(1, 65535))


def refusal(engine: str, dsn: str) -> str:
    with pytest.raises(AddressError) as refused:
        parse_address(engine, dsn)
    assert SECRET not in str(refused.value)
    return str(refused.value)


@given(st.lists(PLACES, min_size=1, max_size=3), TEXT, TEXT, TEXT)
def test_postgres_address_round_trips(places, user, password, database) -> None:
    dsn = build("postgresql", places, user=user, password=password, path=database)
    found = parse_address("postgres", dsn)
    assert (list(found.places), found.user, found.password, found.database) == (places, user, password, database)


@given(PLACES, TEXT, TEXT, TEXT)
def test_mariadb_address_round_trips(place, user, password, database) -> None:
    found = parse_address("mariadb", build("mariadb", [place], user=user, password=password, path=database))
    assert (found.places, found.user, found.password, found.database) == ((place,), user, password, database)


@given(PLACES, TEXT, TEXT, st.integers(0, 99))
def test_redis_address_round_trips(place, user, password, number) -> None:
    found = parse_address("redis", build("redis", [place], user=user, password=password, path=str(number)))
    assert (found.places, found.user, found.password, found.database) == ((place,), user, password, str(number))


@given(TEXT, TEXT, st.dictionaries(NAMES.filter(lambda name: name[0].isalpha()), TEXT, max_size=3))
def test_redirected_address_changes_its_place_only(user, password, query) -> None:
    before = build("mariadb", [Place("127.0.0.1", 1)], user=user, password=password, path="pod", query=query)
    found, old = split(redirected(before, 77)), split(before)
    assert found.places == (Place("127.0.0.1", 77),)
    assert (found.user, found.password, found.path, found.query) == (user, password, "pod", old.query)


@given(st.text(max_size=60), st.sampled_from(sorted(engines.having("address"))))
def test_any_text_is_an_address_or_refused(text, engine) -> None:
    for dsn in (text, f"{BASE[engine]}?{text}", f"{BASE[engine].partition('//')[0]}//{text}"):
        try:
            parse_address(engine, dsn)
        except AddressError as error:
            assert SECRET not in str(error)


@given(TEXT.filter(lambda text: set(text) & set("@/#?%\\ \n")), st.sampled_from(sorted(engines.having("address"))))
def test_raw_special_character_moves_no_host(password, engine) -> None:
    """An address with a password that is not encoded is refused, or means the host that stands last in it."""
    scheme, _, rest = BASE[engine].partition("://")
    dsn = f"{scheme}://u:{password}@{rest.rpartition('@')[2]}"
    try:
        found = parse_address(engine, dsn)
    except AddressError:
        return
    assert found.hosts == ("h",)


@pytest.mark.parametrize(
    ("query", "mode", "ca"),
    [
        ("", "prefer", None),
        ("?sslmode=disable", "disable", None),
        ("?sslmode=require", "require", None),
        ("?sslmode=require&sslrootcert=/ca", "verify-ca", "/ca"),
        ("?sslmode=verify-full&sslrootcert=system", "verify-full", "system"),
    ],
)
def test_postgres_sslmode_is_honoured(query: str, mode: str, ca: str | None) -> None:
    tls = parse_address("postgres", BASE["postgres"] + query).tls
    assert (tls.mode, tls.ca) == (mode, ca)


@pytest.mark.parametrize(
    ("query", "mode", "ca"),
    [
        ("", "prefer", None),
        ("?ssl=true", "require", None),
        ("?ssl=0", "disable", None),
        ("?ssl-mode=REQUIRED", "require", None),
        ("?sslMode=VERIFY_CA&ssl-ca=/ca", "verify-ca", "/ca"),
        ("?ssl_mode=REQUIRED&ssl_ca=/ca", "verify-ca", "/ca"),
        ("?ssl_mode=VERIFY_IDENTITY", "verify-full", "system"),
        ("?ssl_ca=/ca", "verify-full", "/ca"),
        ("?ssl=true&ssl_ca=/ca", "verify-full", "/ca"),
        ("?ssl_cert=/c&ssl_key=/k", "require", None),
    ],
)
def test_mariadb_tls_key_is_honoured(query: str, mode: str, ca: str | None) -> None:
    tls = parse_address("mariadb", BASE["mariadb"] + query).tls
    assert (tls.mode, tls.ca) == (mode, ca)


@pytest.mark.parametrize(
    ("dsn", "mode", "ca"),
    [
        ("redis://h", "disable", None),
        ("rediss://h", "verify-full", "system"),
        ("rediss://h?ssl_ca_certs=/ca", "verify-full", "/ca"),
        ("rediss://h?ssl_cert_reqs=none", "require", None),
        ("rediss://h?ssl_check_hostname=false", "verify-ca", "system"),
    ],
)
def test_redis_tls_key_is_honoured(dsn: str, mode: str, ca: str | None) -> None:
    tls = parse_address("redis", dsn).tls
    assert (tls.mode, tls.ca) == (mode, ca)


def test_postgres_keys_are_honoured() -> None:
    dsn = (
        "postgres:///?host=/run/pg,db.example,::1&port=1,2,3&user=u&password=p%26&dbname=d&connect_timeout=7"
        "&application_name=mine&options=-c%20search_path%3Da%5C%20b%20--geqo%3Doff&work_mem=1MB&target_session_attrs=standby"
    )
    found = parse_address("postgres", dsn)
    assert found.places == (Place("/run/pg", 1), Place("db.example", 2), Place("::1", 3))
    assert (found.user, found.password, found.database) == ("u", "p&", "d")
    assert (found.timeout_s(2), found.application_name, found.target_session_attrs) == (7, "mine", "standby")
    assert found.options == {"search_path": "a b", "geqo": "off", "work_mem": "1MB"}
    assert found.hosts == ("db.example", "::1")


def test_unix_sockets_are_honoured() -> None:
    assert parse_address("postgres", "postgresql://u@%2Frun%2Fpg:77/d").places == (Place("/run/pg", 77),)
    assert parse_address("mariadb", "mysql://u@localhost/d?unix_socket=/run/s").places == (Place("/run/s", 3306),)
    assert parse_address("mariadb", "mysql://u@%2Frun%2Fs/d").places == (Place("/run/s", 3306),)
    redis = parse_address("redis", "unix://u:p@/run/r.sock?db=2")
    assert (redis.places, redis.database, redis.password) == ((Place("/run/r.sock", 6379),), "2", "p")


@pytest.mark.parametrize(
    ("engine", "dsn", "words"),
    [
        ("postgres", "postgresql+asyncpg://u@h/d", "its scheme is postgresql+asyncpg, not postgresql or postgres"),
        ("postgres", "jdbc:postgresql://h/d", "its scheme is jdbc:postgresql"),
        ("postgres", "host=h user=u dbname=d", "pairs of KEY=VALUE"),
        ("postgres", "postgresql://h/d", "names no user"),
        ("postgres", "postgresql:///d?user=u", "names no host"),
        ("postgres", "postgresql://u@h:0/d", "port"),
        ("postgres", "postgresql://u@h:65536/d", "port"),
        ("postgres", "postgresql://u@h:/d", "port"),
        ("postgres", "postgresql://u@[::g]/d", "IPv6"),
        ("postgres", "postgresql://u@a,,b/d", "host is empty"),
        ("postgres", "postgresql://u@h:1@other/d", "more than one @"),
        ("postgres", "postgresql://u@h\\@other/d", "backslash"),
        ("postgres", "postgresql://u@h/d?host=other", "host is named twice"),
        ("postgres", "postgresql://u@h:1/d?port=2", "port is named twice"),
        ("postgres", "postgresql:///d?host=a,b&port=1,2,3&user=u", "2 hosts and 3 ports"),
        ("postgres", "postgresql://u@h/d?hostaddr=10.0.0.1", "hostaddr"),
        ("postgres", "postgresql://u@h/d?service=s", "service"),
        ("postgres", "postgresql://u@h/d?sslmode=on", "sslmode is not one of disable, allow"),
        ("postgres", "postgresql://u@h/d?sslmod=require", "sslmod is not understood (did you mean sslmode?)"),
        ("postgres", "postgresql://u@h/d?SSLMODE=require", "did you mean sslmode?"),
        ("postgres", "postgresql://u@h/d?ssl=true", "write sslmode=require"),
        ("postgres", "postgresql://u@h/d?sslmode=verify-full", "needs sslrootcert=FILE"),
        ("postgres", "postgresql://u@h/d?sslmode=require&sslcert=/c", "sslcert and sslkey"),
        ("postgres", "postgresql://u@h/d?sslmode=require&sslmode=disable", "sslmode is given twice"),
        ("postgres", "postgresql://u@h/d?sslrootcert=ca.pem", "sslrootcert is not an absolute path"),
        ("postgres", "postgresql:///d?host=/s&user=u&sslmode=require", "no TLS on Unix sockets"),
        ("postgres", "postgresql://u@h/d?channel_binding=require", "channel_binding"),
        ("postgres", "postgresql://u@h/d?connect_timeout=0", "connect_timeout"),
        ("postgres", "postgresql://u@h/d?client_encoding=LATIN1", "client_encoding is not UTF8"),
        ("postgres", "postgresql://u@h/d?options=-E", "options is not of the form"),
        ("postgres", "postgresql://u@h/d?options=-c%20application_name%3Dx", "application_name"),
        ("postgres", "postgresql://u@h/d?target_session_attrs=master", "target_session_attrs is not one of"),
        ("postgres", "postgresql://u@h/d?pgbouncer=true", "PostgreSQL server itself"),
        ("mariadb", "mysql+pymysql://u@h/d", "its scheme is mysql+pymysql, not mariadb or mysql"),
        ("mariadb", "jdbc:mariadb://h/d?user=u", "its scheme is jdbc:mariadb"),
        ("mariadb", "mariadb://u@a,b/d", "several hosts"),
        ("mariadb", "mariadb://h/d", "names no user"),
        ("mariadb", "mariadb://u@h/d?tls=true", "the key tls is not understood: write ssl-mode=REQUIRED"),
        ("mariadb", "mariadb://u@h/d?useSSL=true", "useSSL"),
        ("mariadb", "mariadb://u@h/d?ssl=yes", "ssl is not one of true, 1, false, 0"),
        ("mariadb", "mariadb://u@h/d?ssl-mode=required", "ssl_mode is not one of DISABLED"),
        ("mariadb", "mariadb://u@h/d?ssl=true&ssl-mode=DISABLED", "ssl and ssl-mode"),
        ("mariadb", "mariadb://u@h/d?ssl=false&ssl_ca=/ca", "turns TLS off"),
        ("mariadb", "mariadb://u@h/d?charset=latin1", "charset"),
        ("mariadb", "mariadb://u@h/d?unix_socket=/s", "a host and a unix_socket"),
        ("mariadb", "mariadb://u@localhost/d?socket=/s", "write unix_socket=PATH"),
        ("redis", "http://h/0", "its scheme is http, not redis"),
        ("redis", "redis-sentinel://h/0", "its scheme is redis-sentinel"),
        ("redis", "valkey://h/0", "its scheme is valkey"),
        ("redis", "redis://h/zero", "not a number"),
        ("redis", "redis://h/0?db=1", "db is named twice"),
        ("redis", "redis://h/0?ssl=true", "write rediss://"),
        ("redis", "redis://h/0?ssl_ca_certs=/ca", "write rediss://"),
        ("redis", "rediss://h/0?ssl_cert_reqs=maybe", "ssl_cert_reqs is not one of"),
        ("redis", "redis:///0", "names no host"),
        ("redis", "unix:///", "names no socket"),
    ],
)
def test_what_is_not_understood_is_refused_by_name(engine: str, dsn: str, words: str) -> None:
    assert words in refusal(engine, dsn)


@pytest.mark.parametrize(
    "password", [f"{SECRET}/x", f"{SECRET}#x", f"a?{SECRET}=x", f"{SECRET}@x", f"%{SECRET}", f"a {SECRET}"]
)
@pytest.mark.parametrize("engine", sorted(engines.having("address")))
def test_password_that_is_not_encoded_is_not_quoted(engine: str, password: str) -> None:
    dsn = BASE[engine].replace(SECRET, password)
    assert "percent-encode" in refusal(engine, dsn)


def test_address_shows_no_password() -> None:
    assert SECRET not in repr([parse_address(engine, dsn) for engine, dsn in BASE.items()])


def test_settings_of_the_harness_are_not_overridden() -> None:
    address = parse_address("postgres", f"{BASE['postgres']}?statement_timeout=5s&application_name=mine")
    with pytest.raises(AddressError, match="sets statement_timeout"):
        address.refuse_conflicts({"statement_timeout": "8000"}, names_itself=False)
    with pytest.raises(AddressError, match="application_name"):
        address.refuse_conflicts({}, names_itself=True)
