"""Short labels of systems."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from studies import Op, write_run

from reports.data.labels import derived_labels, labels
from reports.data.runs import read_study

DUAL = "dual(postgres:optimistic,postgres:pessimistic):fail"


@pytest.mark.parametrize(("names", "expected"), [
    (["sqlite"], ["sqlite"]),
    (["postgres:optimistic"], ["postgres:optimistic"]),
    ([DUAL], ["dual"]),
    (["postgres:optimistic", "postgres:pessimistic"], ["optimistic", "pessimistic"]),
    (["sqlite", "postgres:optimistic", "postgres:pessimistic"], ["sqlite", "optimistic", "pessimistic"]),
    (["redis:always", "mariadb:pessimistic"], ["redis", "mariadb"]),
    (["postgres", "postgres:optimistic"], ["postgres", "postgres:optimistic"]),
    (["dual(postgres,mariadb)", "postgres:optimistic"], ["dual", "postgres"]),
    (["dual(postgres,mariadb)", "dual(postgres,redis)"], ["mariadb", "redis"]),
    (["postgres:none", "postgres:optimistic", "mariadb:none", "mariadb:optimistic"],
     ["postgres:none", "postgres:optimistic", "mariadb:none", "mariadb:optimistic"]),
])  # fmt: skip
def test_label_is_the_part_that_differs(names, expected):
    assert list(derived_labels(names).values()) == expected


def test_recorded_label_is_kept(tmp_path):
    write_run(tmp_path, "01-a", operations=[Op("chat.accept")], manifest={"storage": None, "label": "shop:eu"})
    write_run(tmp_path, "02-b", operations=[Op("chat.accept")], manifest={"storage": "sqlite", "label": "the old one"})
    write_run(tmp_path, "03-c", operations=[Op("chat.accept")], manifest={"storage": "memory"})
    found = labels(read_study(tmp_path))
    assert found == {"shop:eu": "shop:eu", "sqlite": "the old one", "memory": "memory"}


def test_equal_labels_get_a_number(tmp_path):
    for number, name in enumerate(("memory", "sqlite")):
        write_run(tmp_path, f"0{number}-{name}", manifest={"storage": name, "label": "x" * 90})
    assert list(labels(read_study(tmp_path)).values()) == ["x" * 31 + "…", "x" * 31 + "… (2)"]


@given(st.lists(st.text(max_size=80), min_size=1, max_size=8, unique=True))
def test_labels_are_different(names):
    found = derived_labels(names)
    assert list(found) == names
    assert len(set(found.values())) == len(names)
