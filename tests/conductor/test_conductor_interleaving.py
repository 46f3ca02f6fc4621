from datetime import UTC, datetime
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from loadtests.conductor.choices import Subject, Target
from loadtests.conductor.commands.study import create_run, create_study, interleaved

NOW = datetime(2024, 7, 2, 9, 30, 15, tzinfo=UTC)


def test_rounds_go_back_and_forth():
    assert list(interleaved("AB", 3)) == [(1, "A"), (1, "B"), (2, "B"), (2, "A"), (3, "A"), (3, "B")]


@given(st.lists(st.integers(), min_size=1, max_size=6, unique=True), st.integers(1, 6))
def test_every_subject_runs_once_in_every_round(subjects, rounds):
    runs = list(interleaved(subjects, rounds))
    assert sorted(runs) == sorted((r, s) for r in range(1, rounds + 1) for s in subjects)


def test_studies_of_one_second_do_not_collide(tmp_path: Path):
    names = [create_study(tmp_path / "runs", "smoke", NOW).name for _ in range(3)]
    assert names == ["20240702T093015Z-smoke", "20240702T093015Z-smoke-2", "20240702T093015Z-smoke-3"]


def test_names_of_runs_are_safe_in_any_shell(tmp_path: Path):
    storage = create_run(tmp_path, 1, Subject(storage="dual(mariadb,postgres:optimistic)"))
    target = create_run(tmp_path, 12, Subject(target=Target("ws://x", "Release *candidate* $1/../x")))
    assert storage.name == "01-dual-mariadb-postgres-optimistic"
    assert target.name == "12-release-candidate-1-x"
    assert target.path.parent == tmp_path
