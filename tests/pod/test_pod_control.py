"""The control endpoint over real sockets: who may, what is expected, and accounts that move while clients talk."""

import asyncio
import http.client
import json
import re
from pathlib import Path
from typing import Any

import pytest
from pods import ACCOUNT, CONTROL, Client, running

from loadtests.pod.application import PodApplication
from loadtests.pod.limits import Limits
from loadtests.pod.storage.contract import AccountCopy, Call, StoredConnection, StoredSubscription
from loadtests.pod.storage.dual.storage import DualStorage
from loadtests.servers.registry import create_server

DUAL = "dual(memory,memory)"
DOCS = Path(__file__).parents[2] / "docs"


async def ask(
    pod: PodApplication, path: str, body: Any = None, method: str = "POST", token: str = CONTROL, **headers: str
) -> tuple[int, Any]:
    """Status and answer; a body that is no bytes is sent as JSON."""
    content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()

    def send() -> tuple[int, Any]:
        connection = http.client.HTTPConnection(pod.control_url.removeprefix("http://"), timeout=30)
        connection.request(method, path, content, {"Authorization": f"Bearer {token}", **headers})
        answer = connection.getresponse()
        reported = answer.status, json.loads(answer.read())
        connection.close()
        return reported

    return await asyncio.to_thread(send)


@pytest.mark.parametrize("path", ["/storage", "/locking", "/sweep"])
async def test_changes_need_the_token(path: str) -> None:
    async with running(storage=DUAL) as pod:
        assert (await ask(pod, path, {"to": "legacy"}, token="wrong"))[0] == 401
        assert (await ask(pod, path, method="GET"))[0] == 404


@pytest.mark.parametrize(
    ("path", "body", "expected"),
    [
        ("/storage", b"{", "expected a JSON object"),
        ("/storage", b"\xff", "expected a JSON object"),
        ("/storage", b"[" * 2000, "expected a JSON object"),
        ("/storage", ["to"], "expected a JSON object, not list"),
        ("/storage", b" " * 5000, "at most 4096 bytes"),
        ("/storage", {}, 'expected "to" to be one of legacy, dual, upgraded'),
        ("/storage", {"to": "newer"}, 'expected "to" to be one of legacy, dual, upgraded'),
        ("/storage", {"to": ["dual"]}, 'expected "to" to be one of'),
        ("/storage", {"to": "dual", "share": 101}, "from 0 to 100"),
        ("/storage", {"to": "dual", "share": -1}, "from 0 to 100"),
        ("/storage", {"to": "dual", "share": True}, "from 0 to 100"),
        ("/storage", {"to": "dual", "share": "50"}, "from 0 to 100"),
        ("/storage", b'{"to": "dual", "share": NaN}', "this is not JSON"),
        ("/storage", {"to": "dual", "percent": 50}, 'expected "to" and "share" in the body, not \'percent\''),
        ("/locking", {}, 'expected "locking" to be one of pessimistic, optimistic, none'),
        ("/locking", {"locking": "hopeful"}, 'expected "locking" to be one of'),
        ("/locking", {"locking": "none", "database": "postgres"}, 'expected "database" to be one of legacy, upgraded'),
        ("/sweep", {"all": True}, "expected nothing in the body, not 'all'"),
    ],
)
async def test_wrong_body_is_answered_with_what_was_expected(path: str, body: Any, expected: str) -> None:
    async with running(storage=DUAL) as pod:
        status, answer = await ask(pod, path, body)
        assert (status, answer["error"]) == (400, "bad_request")
        assert expected in answer["detail"]


async def test_unsupported_request_has_a_reason() -> None:
    async with running() as pod:
        assert await ask(pod, "/storage", {"to": "dual"}) == (
            409,
            {
                "error": "not_possible",
                "detail": "memory is one storage system: accounts move between the two of dual(…)",
            },
        )
        status, answer = await ask(pod, "/locking", {"locking": "none"})
        assert (status, "memory" in answer["detail"]) == (409, True)
        assert await ask(pod, "/sweep") == (200, {"swept": 0})


async def test_accounts_move_while_clients_talk_and_a_subscriber_misses_nothing() -> None:
    async with running(storage=DUAL, starts_on="legacy") as pod:
        customer, agent = await Client.sit_down(pod, "customer", "Bob"), await Client.sit_down(pod)
        chat = await customer.offer()
        reported = (await agent.ask("subscription.create", topic=f"chat/{chat}"))["sequence"]
        talkers = [await Client.sit_down(pod, name=f"Agent {n}") for n in range(8)]
        over = asyncio.Event()

        async def talk(talker: Client) -> int:
            sent = 0
            while not over.is_set():
                assert (await talker.ask("message.send", chat=chat, text=str(sent)))["outcome"] == "ok"
                sent += 1
            return sent

        talking = [asyncio.create_task(talk(talker)) for talker in talkers]
        for to in ("dual", "upgraded", "dual", "legacy"):
            status, answer = await ask(pod, "/storage", {"to": to, "share": 100})
            assert status == 200
            assert (answer["moved"], answer["to"], answer["share"]) == (1, to, 100)
            statistics = (await ask(pod, "/statistics", method="GET"))[1]
            assert statistics["dual"]["modes"] == {to: 1}
        over.set()
        sent = sum(await asyncio.gather(*talking))
        assert sent > 0
        numbers = [(await agent.next_event())["sequence"] for _ in range(sent)]
        assert numbers == list(range(reported + 1, reported + 1 + sent))


async def test_shares_go_up_and_down_over_http() -> None:
    async with running(storage=DUAL, starts_on="legacy") as pod:
        for n in range(1, 11):
            await Client.sit_down(pod, account=f"account-{n:04}")
        moved = [(await ask(pod, "/storage", {"to": "dual", "share": s}))[1]["moved"] for s in (25, 50, 100, 60, 0)]
        assert moved[0] + moved[1] + moved[2] == moved[3] + moved[4] == 10
        assert (await ask(pod, "/statistics", method="GET"))[1]["dual"] == {"modes": {"legacy": 10}, "divergences": {}}


async def test_a_second_move_is_refused_while_one_is_under_way() -> None:
    async with running(storage=DUAL, starts_on="legacy") as pod:
        await Client.sit_down(pod)
        assert isinstance(pod.storage, DualStorage)
        legacy, copying, going = pod.storage.sides["legacy"], asyncio.Event(), asyncio.Event()
        copy = legacy.copy_account

        async def slow(account: str) -> AccountCopy:
            copying.set()
            await going.wait()
            return await copy(account)

        legacy.copy_account = slow  # type: ignore[method-assign]
        first = asyncio.create_task(ask(pod, "/storage", {"to": "dual"}))
        await copying.wait()
        assert await ask(pod, "/storage", {"to": "upgraded"}) == (
            409,
            {"error": "not_possible", "detail": "a move is under way: ask again when it is done"},
        )
        assert (await ask(pod, "/health", method="GET"))[0] == 200
        going.set()
        assert (await first)[0] == 200


async def test_sweeping_removes_orphans() -> None:
    async with running() as pod:
        agent = await Client.sit_down(pod)
        await agent.ask("subscription.create", topic="queue")
        there = await pod.storage.copy_account(ACCOUNT)
        dead = StoredConnection("dead", "agent", "Eve", "d", 1, 1, 2)
        lost = [StoredSubscription("dead", f"agent/{n}", 1) for n in range(3)]
        rows = [*there.connections, dead], there.topics, [*there.subscriptions, *lost]
        await pod.storage.replace_account(Call("maintenance", "", ACCOUNT), AccountCopy(ACCOUNT, *rows))
        assert await ask(pod, "/sweep") == (200, {"swept": 3})
        assert (await pod.storage.statistics(0)).subscriptions == 1


async def test_the_locking_is_switched_where_there_is_one(postgres_database: Any, tmp_path: Path) -> None:
    dsns = {"legacy": str(tmp_path / "pod.db"), "upgraded": postgres_database.pod_dsn}
    async with running(storage="dual(sqlite,postgres)", dsns=dsns) as pod:
        agent = await Client.sit_down(pod)
        switched = {"locking": "none", "databases": ["upgraded"]}
        assert await ask(pod, "/locking", {"locking": "none", "database": "upgraded"}) == (200, switched)
        assert await ask(pod, "/locking", {"locking": "none"}) == (200, switched)
        assert (await ask(pod, "/locking", {"locking": "none", "database": "legacy"}))[0] == 409
        assert (await agent.ask("subscription.create", topic="queue"))["outcome"] == "ok"
        assert (await ask(pod, "/locking", {"locking": "pessimistic"}))[0] == 200
        assert (await agent.ask("subscription.delete", topic="queue"))["outcome"] == "ok"


async def test_a_pod_recovers_by_itself_when_its_storage_comes_back(redis_server: Any, tmp_path: Path) -> None:
    with create_server("redis", tmp_path / "server") as server:
        limits = Limits(touch_every_s=0.05, reap_every_s=0.05)
        async with running(limits, storage="redis", dsns={"redis": server.pod_dsn}) as pod:
            agent = await Client.sit_down(pod)
            await agent.ask("subscription.create", topic="queue")
            await asyncio.to_thread(server.kill)
            assert (await agent.ask("chat.offer", subject="x"))["error"] in {"storage_unavailable", "cut_off"}
            status, answer = await ask(pod, "/statistics", method="GET")
            assert (status, answer["error"]) == (503, "StorageUnavailable")
            assert "Redis" in answer["detail"]
            await asyncio.sleep(0.2)
            await asyncio.to_thread(server.start)
            chat = await agent.offer()
            assert (await agent.next_event())["chat"] == chat
            assert (await ask(pod, "/statistics", method="GET"))[0] == 200


async def test_the_page_names_every_route() -> None:
    async with running() as pod:
        page = (DOCS / "control.md").read_text(encoding="utf-8")
        reported = set(re.findall(r"^\| `(GET|POST) (/\w+)", page, re.MULTILINE))
        assert reported == set(pod.routes())
