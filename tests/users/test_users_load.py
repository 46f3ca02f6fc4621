"""People and words: the seed's, and every worker's own."""

from loadtests.users.load import POOL, People

LOCALES = ("en_GB", "pl_PL")


def some(people: People) -> list[str]:
    return [people.name() for _ in range(20)] + [people.sentence() for _ in range(20)]


def test_the_same_seed_and_worker_give_the_same_people_in_the_same_order() -> None:
    assert some(People.of(LOCALES, 1, 0)) == some(People.of(LOCALES, 1, 0))


def test_every_worker_has_people_of_its_own() -> None:
    here, there = People.of(LOCALES, 1, 0), People.of(LOCALES, 1, 1)
    assert len(set(here.names) & set(there.names)) < POOL / 2
    assert here.sentences != there.sentences


def test_another_seed_makes_other_people() -> None:
    assert People.of(LOCALES, 1, 0).names != People.of(LOCALES, 2, 0).names


def test_every_locale_is_among_them() -> None:
    names = "".join(People.of(("en_GB", "pl_PL"), 1, 0).names)
    assert set("łńśżąęć") & set(names)
