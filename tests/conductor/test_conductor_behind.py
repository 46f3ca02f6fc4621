"""Databases behind a target: what is refused before anybody looks, in words that quote no address."""

import json

import pytest

from loadtests.conductor.target import databases_behind
from loadtests.probes.contract import Database

SECRET = "hunter2"
DSN = f"postgresql://watcher:{SECRET}@127.0.0.1:5432/chats"


def problems_of(named, dsns, owned=()):
    problems = []
    found = databases_behind(named, dsns, owned, problems)
    assert not any(SECRET in problem for problem in problems)
    return found, problems


def test_a_database_is_named_with_its_engine_or_by_it():
    dsns = json.dumps({"chats": DSN, "postgres": DSN})
    found, problems = problems_of(["chats:postgres", "postgres"], dsns)
    assert (found, problems) == ((Database("chats", "postgres"), Database("postgres", "postgres")), [])


@pytest.mark.parametrize(
    ("named", "dsns", "told"),
    [
        ("chats:", None, "expected NAME:ENGINE"),
        (":postgres", None, "expected NAME:ENGINE"),
        ("chats:oracle", json.dumps({"chats": DSN}), "nothing can look into oracle; what can be watched: postgres"),
        ("chats:postgres", None, 'its address is missing: set LOADTESTS_DSNS to a JSON object, such as {"chats": "…"}'),
        ("chats:postgres", DSN, "LOADTESTS_DSNS is not a JSON object"),
        ("chats:postgres", json.dumps({"chats": 7}), "its address is missing"),
        ("chats:postgres", json.dumps({"chats": f"mysql://u:{SECRET}@127.0.0.1/x"}), "is no postgresql://"),
        ("chats:postgres", json.dumps({"chats": f"postgresql://u:{SECRET}@:99999/x"}), "is no postgresql://"),
        ("chats:mariadb", json.dumps({"chats": DSN}), "is no mariadb://"),
        ("chats:redis", json.dumps({"chats": f"redis://:{SECRET}@db.example/0"}), "say --i-own db.example"),
    ],
)
def test_what_is_wrong_is_told(named, dsns, told):
    _, problems = problems_of([named], dsns)
    assert len(problems) == 1
    assert told in problems[0]


def test_a_host_that_is_owned_may_be_looked_into():
    dsns = json.dumps({"chats": f"redis://:{SECRET}@db.example/0"})
    assert problems_of(["chats:redis"], dsns, ("db.example",))[1] == []


def test_one_name_is_one_database():
    _, problems = problems_of(["chats:postgres", "chats:postgres"], json.dumps({"chats": DSN}))
    assert problems == ["--database chats: named twice"]
