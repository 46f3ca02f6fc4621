"""The worker hosts of a study: who is accepted, who is refused and why, who is gone."""

import socket
import threading
from collections.abc import Callable
from typing import Any

import pytest
from worker_hosts import NONCE, SECRET, TOKEN, events, hello, hello_fields, roster, worker_host

from loadtests.conductor.failures import Reason, RunEnded
from loadtests.conductor.hosts.admission import Admission, Hello, problem_of, problem_of_proof, problem_of_version
from loadtests.conductor.hosts.link import PROTOCOL, Link, LinkClosed, LocustListens, WrongProtocol
from loadtests.conductor.watching import Interrupts, watching
from loadtests.joining import JOIN_TOKEN, TOKEN_SECRET

ADMISSION = Admission(2, "1.0", "master", join_secret=TOKEN, secret=SECRET)


@pytest.mark.parametrize(
    ("hello", "problem"),
    [
        (hello(), ""),
        (hello(signing=""), "it needs LOADTESTS_TOKEN_SECRET in its environment"),
        (hello(signing="another"), "its LOADTESTS_TOKEN_SECRET is not that of the master"),
        (hello(signing="", host="master"), "it needs LOADTESTS_TOKEN_SECRET in its environment"),
        (
            hello(processes=2),
            "it offers 2 worker processes, and 1 of 2 are still needed (there are: 1 on a (10.0.0.1))",
        ),
        (hello(processes=0), "at least 1 is needed"),
        (hello(processes=-3), "at least 1 is needed"),
    ],
)
def test_a_host_that_cannot_take_part_is_refused_with_the_cause(hello: Hello, problem: str) -> None:
    found = problem_of(hello, ADMISSION, NONCE, {"a (10.0.0.1)": 1})
    assert (found == "") == (problem == "")
    assert problem in found


OTHER_NONCE = "19" * 16
MOVED = hello_fields(OTHER_NONCE)
CHANGED = {**hello_fields(NONCE), "processes": 2}


@pytest.mark.parametrize(
    ("hello", "variable", "problem"),
    [
        (hello(), JOIN_TOKEN, ""),
        (hello(secrets=["another", TOKEN]), JOIN_TOKEN, ""),
        (hello(secrets=[]), JOIN_TOKEN, "it needs LOADTESTS_JOIN_TOKEN in its environment"),
        (hello(secrets=[], host="master"), JOIN_TOKEN, "it needs LOADTESTS_JOIN_TOKEN in its environment"),
        (hello(secrets=[], host="master"), TOKEN_SECRET, "it needs LOADTESTS_TOKEN_SECRET in its environment"),
        (hello(secrets=["guessed"], host="master"), JOIN_TOKEN, "its LOADTESTS_JOIN_TOKEN is not that of the master"),
        (hello(secrets=["guessed"]), TOKEN_SECRET, "its LOADTESTS_TOKEN_SECRET is not that of the master"),
        (hello(secrets=[""], host="master"), JOIN_TOKEN, "its LOADTESTS_JOIN_TOKEN is not that of the master"),
        (hello(secrets=[], host="master"), "", "it is not a process of the master's user on the master's host"),
        (hello(secrets=["guessed"], host="master"), "", "set LOADTESTS_JOIN_TOKEN to the same text in both"),
        (Hello.of(MOVED), JOIN_TOKEN, "its LOADTESTS_JOIN_TOKEN is not that of the master"),
        (Hello.of(CHANGED), JOIN_TOKEN, "its LOADTESTS_JOIN_TOKEN is not that of the master"),
        (hello(proofs=["é\udc80" * 20]), JOIN_TOKEN, "its LOADTESTS_JOIN_TOKEN is not that of the master"),
    ],
    ids=[
        *("right", "one-of-two", "none", "none-same-host", "no-secret-same-host", "guessed-same-host", "guessed"),
        *("empty-secret", "no-file", "wrong-file", "of-another-connection", "changed-on-its-way", "no-hexadecimal"),
    ],
)
def test_only_a_proof_of_the_join_token_admits(hello: Hello, variable: str, problem: str) -> None:
    admission = Admission(2, "1.0", "master", join_secret=TOKEN, join_variable=variable)
    found = problem_of_proof(hello, admission, NONCE)
    assert (found == "") == (problem == "")
    assert problem in found


def test_without_a_join_token_nothing_is_admitted() -> None:
    assert problem_of_proof(hello(secrets=[""]), Admission(1, "1.0", "master"), NONCE)


@pytest.mark.parametrize(
    ("change", "versions"),
    [
        ({"version": "0.9"}, "loadtests 0.9, the master 1.0: install"),
        ({"protocol": 1}, f"loadtests 1.0 (protocol 1), the master 1.0 (protocol {PROTOCOL}): install"),
        ({"version": "\x1b[2J", "protocol": 9}, "loadtests \\x1b[2J (protocol 9), the master 1.0"),
    ],
)
def test_another_version_is_refused_before_any_proof(change: dict[str, object], versions: str) -> None:
    assert f"it runs {versions}" in problem_of_version(hello(**change), ADMISSION)
    assert problem_of_version(hello(), ADMISSION) == ""


def test_another_host_is_refused_where_pods_listen_on_loopback() -> None:
    own_pods = Admission(2, "1.0", "master", join_secret=TOKEN)
    assert problem_of(hello(host="master"), own_pods, NONCE, {}) == ""
    assert "with --target" in problem_of(hello(), own_pods, NONCE, {})


@pytest.mark.parametrize(
    "missing", ["node", "version", "host", "processes", "nonce", "proofs", "secret_proof", "protocol"]
)
def test_an_incomplete_hello_is_no_hello(missing: str) -> None:
    output = hello_fields(NONCE)
    with pytest.raises(ValueError, match="incomplete"):
        Hello.of({name: value for name, value in output.items() if name != missing})


@pytest.mark.parametrize(
    "change",
    [
        *({"processes": value} for value in (True, 1.0, "1", float("inf"), 10**9, -(10**9), None, [], {})),
        *({"node": value} for value in (1, None, ["x"], "x" * 201)),
        *({"proofs": value} for value in ("x", None, [1], ["x" * 201], ["x"] * 5, {"x": 1})),
        *({"nonce": value} for value in ("", "x" * 31, 7)),
        *({"protocol": value} for value in ("2", 2.0, 10**6)),
        {"secret_proof": 7},
    ],
)
def test_a_hello_of_wrong_types_is_no_hello(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="incomplete"):
        Hello.of({**hello_fields(NONCE), **change})


def test_a_host_serves_every_run_until_the_study_is_over() -> None:
    received: list[str] = []
    with (
        Interrupts() as interrupts,
        roster() as (made, port, _),
        worker_host(port, lambda link: events(link, received)),
    ):
        for number in (1, 2):
            made.gather(interrupts)
            made.release(f"run {number}")
            with socket.socket() as locust:  # the master of the run takes the port meanwhile
                locust.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                locust.bind(("127.0.0.1", port))
                locust.listen()
            made.listen()
        made.finish()
    assert received == ["accepted", "run", "run", "over"]


def test_a_refused_host_is_reported_once_and_replaced() -> None:
    received: list[list[str]] = [[], []]
    with Interrupts() as interrupts, roster() as (made, port, output):
        bad: dict[str, Any] = {"node": "host-c", "secrets": ()}
        with (
            worker_host(port, lambda link: events(link, received[0], "refused"), **bad) as first,
            worker_host(port, lambda link: events(link, received[1], "refused"), **bad) as second,
        ):
            threading.Thread(target=lambda: (first.join(), second.join(), greet(port)), daemon=True).start()
            made.gather(interrupts)
    (refusal,) = [sentence for sentence in output if "refused" in sentence and not sentence.startswith("waiting")]
    assert refusal == "refused the worker on host-c (127.0.0.1): it needs LOADTESTS_JOIN_TOKEN in its environment"
    assert received == [["refused"], ["refused"]]


def greet(port: int) -> None:
    with worker_host(port, lambda link: events(link, [])):
        pass


def test_workers_that_do_not_come_end_the_wait() -> None:
    with (
        Interrupts() as interrupts,
        roster(wait_s=0.2, expected=2) as (made, port, _),
        worker_host(port, lambda link: events(link, [])),
    ):
        while not made.hosts:
            made._step(0.1)
        with pytest.raises(RunEnded) as ended:
            made.gather(interrupts)
        made.finish()
    assert ended.value.reason.code == "workers_unavailable"
    assert ended.value.reason.detail == "1 of 2 workers came (1 on host-b (127.0.0.1)) within 0.2 s"


def test_an_interrupt_ends_the_wait() -> None:
    with Interrupts() as interrupts, roster() as (made, _, _), pytest.raises(RunEnded) as ended:
        interrupts.count = 1
        made.gather(interrupts)
    assert ended.value.reason.code == "interrupted"


def test_a_host_that_leaves_before_the_load_is_named() -> None:
    leaves = threading.Event()
    with (
        Interrupts() as interrupts,
        roster() as (made, port, output),
        worker_host(port, lambda _: (leaves.wait(20.0), None)[1]) as thread,
    ):
        made.gather(interrupts)
        leaves.set()
        thread.join(20)
        with pytest.raises(RunEnded) as ended:
            made.release("run 1")
        assert "the worker on host-b (127.0.0.1) is gone" in output[-1]
        assert ended.value.reason == Reason("workers_unavailable", "before the load, 0 of 1 workers came")


@pytest.mark.parametrize(
    ("serve", "what", "why"),
    [
        (lambda link: link.send("ended", how="was killed by SIGKILL"), "process", "its process was killed by SIGKILL"),
        (lambda link: link.close(), "host", "it closed the connection"),
    ],
)
def test_a_host_that_is_lost_in_mid_run_is_reported(serve: Callable[[Link], None], what: str, why: str) -> None:
    lost: list[tuple[str, str, str]] = []

    def run_and_leave(link: Link) -> None:
        events(link, [], "run")
        serve(link)

    with Interrupts() as interrupts, roster() as (made, port, _), worker_host(port, run_and_leave):
        made.gather(interrupts)
        made.release("run 1")
        with watching(interrupts) as watch:
            made.watch(watch, lambda host, what, why: lost.append((host.name, what, why)))
            while not lost:
                watch.wait(5.0)
    assert lost[0] == ("host-b (127.0.0.1)", what, why)


def test_what_connects_during_a_run_connects_again_and_learns_that_it_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loadtests.conductor.hosts.roster._LAST_HELLO_S", 20.0)
    with Interrupts(), roster() as (made, port, _):
        received: list[str] = []
        made.leave_port()
        made.listen()
        connected = threading.Event()

        def serve(link: Link) -> None:
            events(link, received)

        with worker_host(port, serve, on_connection=connected.set):
            assert connected.wait(20)
            made.finish()
        assert received == ["over"]


@pytest.mark.parametrize(
    ("data", "error"), [(b"\xff\0\0", LocustListens), (b"GET / HTTP/1.1\r\n", WrongProtocol), (b"", LinkClosed)]
)
def test_another_protocol_is_recognised(data: bytes, error: type[LinkClosed]) -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX)
    with theirs, pytest.raises(error) as raised:
        link = Link.__new__(Link)
        link._socket, link._received, link._session, link._possible = ours, b"", None, None
        theirs.sendall(data)
        theirs.shutdown(socket.SHUT_WR)
        link.receive(5.0)
    ours.close()
    assert type(raised.value) is error
