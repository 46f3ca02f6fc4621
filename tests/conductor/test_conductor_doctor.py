"""What the doctor says of database servers."""

import os
from pathlib import Path

import pytest

from loadtests.conductor.commands.doctor import findings
from loadtests.engines import having
from loadtests.servers.registry import product


@pytest.mark.parametrize("engine", having("server"))
def test_a_missing_server_disables_its_storages_alone(
    engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(product(engine).choice, str(tmp_path))
    expected = {finding.what: finding for finding in findings()}[product(engine).name]
    assert str(tmp_path) in expected.found
    assert expected.disables == f"--storage {engine}…; sqlite and memory work"


def test_user_without_a_name_disables_postgres_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 2**31 - 7)
    disabled = {finding.what: finding.disables for finding in findings()}
    assert disabled["PostgreSQL's user"] == "--storage postgres… as this user"
    assert (disabled["MariaDB's user"], disabled["Redis's user"]) == ("", "")
