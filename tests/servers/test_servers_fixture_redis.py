"""The session's Redis: durable as promised, an ordinary user for the pod who can read how durable."""

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from redis.exceptions import AuthenticationError, ConnectionError, ResponseError

from loadtests.servers.registry import create_server

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


def test_connections_need_a_password(redis_database: Any) -> None:
    head, tail = redis_database.pod_dsn.rsplit("@", 1)
    for dsn in (f"{head}x@{tail}", f"redis://{tail}"):
        with Redis.from_url(dsn) as client, pytest.raises(AuthenticationError):
            client.ping()


def test_a_database_is_empty_for_every_test(redis_database: Any) -> None:
    with Redis.from_url(redis_database.dsn) as client:
        assert client.dbsize() == 0


def test_it_can_be_enlarged_when_the_pod_has_every_connection(redis_server: Any, tmp_path: Path) -> None:
    """Redis keeps none back for superusers."""
    with ExitStack() as held, create_server("redis", tmp_path / "redis", connections=10) as server:
        with pytest.raises(ConnectionError, match="max number of clients"):
            for _ in range(100):
                held.enter_context(Redis.from_url(server.pod_dsn)).ping()
        with Redis.from_url(server.dsn) as observer, pytest.raises(ConnectionError):
            observer.ping()
        server.resize(connections=20)
        with Redis.from_url(server.dsn) as observer:
            assert observer.ping()


def test_everysec_is_a_choice_that_stays(redis_server: Any, tmp_path: Path) -> None:
    with create_server("redis", tmp_path / "redis", choices=("everysec",)) as server:
        for change in (lambda: None, server.recreate, lambda: server.resize(connections=20)):
            change()
            with Redis.from_url(server.pod_dsn, decode_responses=True) as pod:
                assert pod.config_get("appendfsync") == {"appendfsync": "everysec"}
