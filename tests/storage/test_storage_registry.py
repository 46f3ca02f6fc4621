"""Names of storage systems, and statements in files."""

from pathlib import Path

import pytest

from loadtests.pod.storage import registry, statements
from loadtests.pod.storage.registry import StorageName, StorageNameError


def test_short_names_stand_for_full_ones() -> None:
    assert registry.parse("postgres") == registry.parse("postgres:pessimistic")
    assert registry.parse("postgres:optimistic") == StorageName("postgres", ("optimistic",))
    assert registry.parse("sqlite") == StorageName("sqlite")


def test_name_is_safe_as_a_directory() -> None:
    assert registry.parse("postgres").directory == "postgres-pessimistic"
    assert str(registry.parse("postgres")) == "postgres:pessimistic"


@pytest.mark.parametrize("name", ["postgress", "postgres:optimist", "", "sqlite:", "Memory", "x" * 100])
def test_unknown_name_is_answered_with_the_known(name: str) -> None:
    with pytest.raises(StorageNameError) as caught:
        registry.parse(name)
    for known in (*registry.STORAGES, *registry.SHORT):
        assert known in str(caught.value)
    assert len(str(caught.value)) < 250


def test_nearest_name_is_offered() -> None:
    with pytest.raises(StorageNameError, match="did you mean 'postgres:optimistic'"):
        registry.parse("postgres:optimstic")


@pytest.mark.parametrize("name", ["sqlite", "postgres:pessimistic", "postgres:optimistic"])
def test_promises_are_read_without_connecting(name: str) -> None:
    promises = registry.promises(name)
    assert promises.durable
    assert promises.no_orphans
    assert promises.commit_survives == "power_loss"


def test_missing_dsn_is_told_with_the_variable_to_set() -> None:
    with pytest.raises(StorageNameError, match="LOADTESTS_DSN"):
        registry.create("sqlite", None, lambda _: None, "pod-1")


def test_statements_are_split_at_their_names(tmp_path: Path) -> None:
    file = tmp_path / "s.sql"
    file.write_text("-- about the file\n\n-- name: one\nSELECT 1;\n\n-- why\n-- name: two\nSELECT\n    2;\n")
    assert dict(statements.load(file)) == {"one": "SELECT 1", "two": "SELECT\n    2"}


def test_operation_is_a_comment_that_never_changes() -> None:
    assert statements.named("chat.accept", "SELECT 1") == "/* chat.accept */ SELECT 1"
    assert statements.named("chat.accept", "SELECT 1") is statements.named("chat.accept", "SELECT 1")
