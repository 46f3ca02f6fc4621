"""Names of storage systems, and statements in files."""

import re
from pathlib import Path

import pytest

from loadtests import storagenames
from loadtests.configuration.values import STORAGE_PATTERN
from loadtests.engines import Promises
from loadtests.pod.storage import factory, statements
from loadtests.pod.storage.factory import create_storage
from loadtests.pod.storage.mariadb.connection import arguments, placed, split_values
from loadtests.pod.storage.sql import driver
from loadtests.records.rundirectory import safe_name
from loadtests.storagenames import StorageName, StorageNameError


def test_short_names_stand_for_full_ones() -> None:
    assert storagenames.parse("postgres") == storagenames.parse("postgres:pessimistic")
    assert storagenames.parse("postgres:optimistic") == StorageName("postgres", ("optimistic",))
    assert storagenames.parse("sqlite") == StorageName("sqlite")


def test_name_is_safe_as_a_directory() -> None:
    assert safe_name(str(storagenames.parse("postgres"))) == "postgres-pessimistic"
    assert str(storagenames.parse("postgres")) == "postgres:pessimistic"


@pytest.mark.parametrize("name", ["postgress", "postgres:optimist", "", "sqlite:", "Memory", "x" * 100])
def test_unknown_name_is_answered_with_the_known(name: str) -> None:
    with pytest.raises(StorageNameError) as caught:
        storagenames.parse(name)
    message = str(caught.value)
    for known in (*storagenames.names(), *storagenames.short_names()):
        assert known in message
    assert "x" * 61 not in message
    assert len(message.partition("Known are")[0]) < 130


def test_nearest_name_is_offered() -> None:
    with pytest.raises(StorageNameError, match="did you mean 'postgres:optimistic'"):
        storagenames.parse("postgres:optimstic")


@pytest.mark.parametrize(
    "name",
    [
        "sqlite",
        "postgres:pessimistic",
        "postgres:optimistic",
        "mariadb:pessimistic",
        "mariadb:optimistic",
        "redis:always",
    ],
)
def test_promises_are_read_without_connecting(name: str) -> None:
    promises = storagenames.promises(name)
    assert promises.durable
    assert promises.no_orphans
    assert promises.commit_survives == "power_loss"


@pytest.mark.parametrize("name", ["postgres:none", "mariadb:none"])
def test_without_locks_there_may_be_orphans(name: str) -> None:
    assert storagenames.promises(name) == Promises(durable=True, no_orphans=False, commit_survives="power_loss")


def test_databases_are_named_by_their_engine() -> None:
    assert storagenames.databases("memory") == {}
    assert storagenames.databases("mariadb") == {"mariadb": StorageName("mariadb", ("pessimistic",))}
    assert storagenames.databases("postgres:none") == {"postgres": StorageName("postgres", ("none",))}


def test_missing_dsn_names_the_variable_to_set() -> None:
    with pytest.raises(StorageNameError, match=r"set LOADTESTS_DSN$"):
        create_storage("sqlite", {}, lambda _: None, "pod-1")
    with pytest.raises(StorageNameError, match="LOADTESTS_DSN_UPGRADED"):
        create_storage("dual(sqlite,redis)", {"legacy": "pod.sqlite"}, lambda _: None, "pod-1")


def test_dual_names_are_of_two_full_ones() -> None:
    name = storagenames.parse("dual(sqlite,postgres)")
    assert str(name) == "dual(sqlite,postgres:pessimistic)"
    assert safe_name(str(name)) == "dual-sqlite-postgres-pessimistic"
    assert storagenames.parse(str(name)) == storagenames.parse("dual(sqlite, postgres):count") == name
    assert str(storagenames.parse("dual(memory,redis):fail")) == "dual(memory,redis:always):fail"
    assert re.fullmatch(STORAGE_PATTERN, str(storagenames.parse("dual(memory,redis):fail")))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("dual", "expected dual(LEGACY,UPGRADED)"),
        ("dual()", "expected dual(LEGACY,UPGRADED)"),
        ("dual(sqlite)", "expected dual(LEGACY,UPGRADED)"),
        ("dual(sqlite,memory,redis)", "expected dual(LEGACY,UPGRADED)"),
        ("dual(sqlite,memory", "expected dual(LEGACY,UPGRADED)"),
        ("dual(sqlite,memory):sometimes", "with :fail at its end"),
        ("dual(sqlite,postgrse)", "unknown storage 'postgrse': did you mean 'postgres'?"),
        ("dual(sqlite,)", "unknown storage ''"),
        ("dual(dual(sqlite,memory),redis)", "cannot be dual itself"),
        ("dual(sqlite,dual(memory,redis))", "cannot be dual itself"),
    ],
)
def test_wrong_dual_names_report_what_was_expected(name: str, words: str) -> None:
    with pytest.raises(StorageNameError) as caught:
        storagenames.parse(name)
    assert words in str(caught.value)


def test_databases_are_named_by_their_engine_or_their_side() -> None:
    assert storagenames.databases("redis") == {"redis": storagenames.parse("redis:always")}
    assert storagenames.databases("dual(sqlite,postgres:optimistic)") == {
        "legacy": storagenames.parse("sqlite"),
        "upgraded": storagenames.parse("postgres:optimistic"),
    }
    assert storagenames.databases("dual(memory,redis)") == {"upgraded": storagenames.parse("redis")}


def test_dual_promises_what_the_weaker_side_does() -> None:
    assert storagenames.promises("dual(sqlite,redis:everysec)").commit_survives == "process_crash"
    assert storagenames.promises("dual(memory,sqlite)") == Promises(False, True, "nothing")


def test_statements_are_split_at_their_names(tmp_path: Path) -> None:
    file = tmp_path / "s.sql"
    file.write_text("-- about the file\n\n-- name: one\nSELECT 1;\n\n-- why\n-- name: two\nSELECT\n    2;\n")
    assert dict(statements.load(file)) == {"one": "SELECT 1", "two": "SELECT\n    2"}


def test_a_name_that_two_files_give_is_refused(tmp_path: Path) -> None:
    for file in ("one", "two"):
        (tmp_path / f"{file}.sql").write_text("-- name: same\nSELECT 1;\n")
    with pytest.raises(ValueError, match=r"two\.sql: same"):
        statements.load_all(tmp_path, ("one", "two"))


@pytest.mark.parametrize("engine", ["postgres", "mariadb"])
def test_engines_have_the_same_statements(engine: str) -> None:
    rooms = {engine: Path(factory.__file__).with_name(engine) for engine in ("postgres", "mariadb")}
    names = {engine: set(driver.statements(room)) for engine, room in rooms.items()}
    assert names[engine] == names["postgres"] | names["mariadb"]


def test_numbered_values_become_places() -> None:
    text, order = placed("SELECT '50%', $2 FROM t WHERE a = $1 OR b = $2")
    assert text == "SELECT '50%%', %s FROM t WHERE a = %s OR b = %s"
    assert arguments(order, ("a", ["b", "ü"])) == ('["b", "\\u00fc"]', "a", '["b", "\\u00fc"]')


def test_values_of_an_insert_are_found() -> None:
    statement = "INSERT INTO t (a, b)\nVALUES ($1, $2)\nON DUPLICATE KEY UPDATE b = VALUE(b)"
    assert split_values(statement) == (
        "INSERT INTO t (a, b)\nVALUES ",
        "($1, $2)",
        "\nON DUPLICATE KEY UPDATE b = VALUE(b)",
    )


def test_operation_is_a_comment_that_never_changes() -> None:
    assert statements.named("chat.accept", "SELECT 1") == "/* chat.accept */ SELECT 1"
    assert statements.named("chat.accept", "SELECT 1") is statements.named("chat.accept", "SELECT 1")
