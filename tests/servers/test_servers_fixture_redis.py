"""The session's Redis: durable as promised, an ordinary user for the pod who can read how durable."""

from typing import Any

import pytest
from redis import Redis
from redis.exceptions import AuthenticationError, ResponseError

SETTINGS = {
    "appendonly": "yes",
    "appendfsync": "always",
    "save": "",
    "bind": "127.0.0.1",
    "protected-mode": "yes",
    "maxclients": "205",
    "maxmemory-policy": "noeviction",
}

PODS_BUSINESS = (
    ("SET", "key", "value"),
    ("EVAL", "return redis.call('get', KEYS[1])", "1", "key"),
    ("PUBLISH", "channel", "word"),
    ("CONFIG", "GET", "appendfsync"),
    ("INFO", "persistence"),
    ("CLIENT", "SETNAME", "pod-17"),
    ("CLIENT", "ID"),
)

NOT_THE_PODS = (
    ("CONFIG", "SET", "appendfsync", "no"),
    ("SHUTDOWN", "NOSAVE"),
    ("DEBUG", "SLEEP", "1"),
    ("ACL", "LIST"),
    ("REPLICAOF", "127.0.0.1", "1"),
    ("MONITOR",),
    ("BGREWRITEAOF",),
)


def test_server_is_durable_and_private(redis_database: Any) -> None:
    with Redis.from_url(redis_database.dsn, decode_responses=True) as client:
        settings = client.config_get("*")
    assert {name: settings[name] for name in SETTINGS} == SETTINGS


@pytest.mark.parametrize("command", PODS_BUSINESS, ids=" ".join)
def test_the_pod_may_work_and_read_the_settings(redis_database: Any, command: tuple[str, ...]) -> None:
    with Redis.from_url(redis_database.pod_dsn) as client:
        client.execute_command(*command)


@pytest.mark.parametrize("command", NOT_THE_PODS, ids=" ".join)
def test_the_pod_may_not_administer(redis_database: Any, command: tuple[str, ...]) -> None:
    with (
        Redis.from_url(redis_database.pod_dsn) as client,
        pytest.raises(ResponseError, match=r"no permissions|not allowed"),
    ):
        client.execute_command(*command)


def test_nobody_comes_in_without_a_password(redis_database: Any) -> None:
    head, tail = redis_database.pod_dsn.rsplit("@", 1)
    for dsn in (f"{head}x@{tail}", f"redis://{tail}"):
        with Redis.from_url(dsn) as client, pytest.raises(AuthenticationError):
            client.ping()


def test_a_database_is_empty_for_every_test(redis_database: Any) -> None:
    with Redis.from_url(redis_database.dsn) as client:
        assert client.dbsize() == 0
