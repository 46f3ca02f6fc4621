"""The worker hosts of a study: who is accepted, who is refused and why, who is gone."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from loadtests.conductor.failures import Reason, RunEnded
from loadtests.conductor.hosts.admission import Admission, Hello, problem_of
from loadtests.conductor.hosts.link import PROTOCOL, Link, LinkClosed, LocustListens, WrongProtocol, proof
from loadtests.conductor.hosts.roster import Roster
from loadtests.conductor.ports import free_port
from loadtests.conductor.watching import Interrupts, watching

SECRET, NONCE = "s3cret", "17"
ADMISSION = Admission(expected=2, version="1.0", host="master", secret=SECRET)


def hello(**changes: object) -> Hello:
    said = {"node": "b", "version": "1.0", "host": "other", "processes": 1, "proof": proof(SECRET, NONCE)}
    return Hello.of({**said, "protocol": PROTOCOL, **changes})


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ({}, ""),
        ({"proof": ""}, "it needs LOADTESTS_TOKEN_SECRET in its environment"),
        ({"proof": "", "host": "master"}, ""),
        ({"proof": proof("another", NONCE)}, "its LOADTESTS_TOKEN_SECRET is not that of the master"),
        ({"proof": proof("another", NONCE), "host": "master"}, "its LOADTESTS_TOKEN_SECRET is not that of the master"),
        ({"proof": proof(SECRET, "18")}, "its LOADTESTS_TOKEN_SECRET is not that of the master"),
        ({"version": "0.9"}, "it runs loadtests 0.9, the master 1.0: install the same version on both"),
        ({"protocol": PROTOCOL + 1}, "it runs loadtests 1.0"),
        ({"processes": 2}, "it offers 2 worker processes, and 1 of 2 are still needed (there are: 1 on a (10.0.0.1))"),
        ({"processes": 0}, "at least 1 is needed"),
    ],
)
def test_a_host_that_cannot_take_part_is_refused_with_the_cause(said: dict[str, object], problem: str) -> None:
    found = problem_of(hello(**said), ADMISSION, NONCE, {"a (10.0.0.1)": 1})
    assert (found == "") == (problem == "")
    assert problem in found


def test_another_host_is_refused_where_pods_listen_on_loopback() -> None:
    own_pods = Admission(expected=2, version="1.0", host="master")
    assert "use --target" not in problem_of(hello(host="master"), own_pods, NONCE, {})
    assert "with --target" in problem_of(hello(), own_pods, NONCE, {})


@pytest.mark.parametrize("missing", ["node", "version", "host", "processes", "proof", "protocol"])
def test_an_incomplete_hello_is_no_hello(missing: str) -> None:
    said = {"node": "b", "version": "1.0", "host": "x", "processes": 1, "proof": "", "protocol": 1}
    with pytest.raises(ValueError, match="incomplete"):
        Hello.of({name: value for name, value in said.items() if name != missing})


@contextmanager
def roster(wait_s: float = 20.0, expected: int = 1) -> Iterator[tuple[Roster, int, list[str]]]:
    said: list[str] = []
    port = free_port()
    with Roster(("127.0.0.1", port), Admission(expected, "1.0", "master", SECRET), wait_s, said.append) as made:
        yield made, port, said


@contextmanager
def worker_host(port: int, serve: Callable[[Link], None], **changes: object) -> Iterator[threading.Thread]:
    """A host that says hello in a thread, and then does what `serve` does."""

    def run() -> None:
        link = Link(socket.create_connection(("127.0.0.1", port)))
        try:
            greeting = link.receive(20.0)
            assert greeting is not None
            said = {"node": "host-b", "version": "1.0", "host": "other", "processes": 1, "protocol": PROTOCOL}
            link.send("hello", **{**said, "proof": proof(SECRET, str(greeting["nonce"])), **changes})
            serve(link)
        finally:
            link.close()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield thread
    finally:
        thread.join(30)


def events(link: Link, heard: list[str], until: str = "over") -> None:
    while not heard or heard[-1] != until:
        message = link.receive(20.0)
        assert message is not None, heard
        heard.append(message["event"])
        if message["event"] == "run":
            link.send("starting")


def test_a_host_serves_every_run_until_the_study_is_over() -> None:
    heard: list[str] = []
    with Interrupts() as interrupts, roster() as (made, port, _), worker_host(port, lambda link: events(link, heard)):
        for number in (1, 2):
            made.gather(interrupts)
            made.release(f"run {number}")
            with socket.socket() as locust:  # the master of the run takes the port meanwhile
                locust.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                locust.bind(("127.0.0.1", port))
                locust.listen()
            made.listen()
        made.finish()
    assert heard == ["accepted", "run", "run", "over"]


def test_a_refused_host_is_reported_once_and_replaced() -> None:
    heard: list[list[str]] = [[], []]
    with Interrupts() as interrupts, roster() as (made, port, said):
        bad = {"node": "host-c", "proof": ""}
        with (
            worker_host(port, lambda link: events(link, heard[0], "refused"), **bad) as first,
            worker_host(port, lambda link: events(link, heard[1], "refused"), **bad) as second,
        ):
            threading.Thread(target=lambda: (first.join(), second.join(), greet(port)), daemon=True).start()
            made.gather(interrupts)
    (refusal,) = [sentence for sentence in said if "refused" in sentence and not sentence.startswith("waiting")]
    assert refusal == "refused the worker on host-c (127.0.0.1): it needs LOADTESTS_TOKEN_SECRET in its environment"
    assert heard == [["refused"], ["refused"]]


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
        roster() as (made, port, said),
        worker_host(port, lambda _: (leaves.wait(20.0), None)[1]) as thread,
    ):
        made.gather(interrupts)
        leaves.set()
        thread.join(20)
        with pytest.raises(RunEnded) as ended:
            made.release("run 1")
        assert "the worker on host-b (127.0.0.1) is gone" in said[-1]
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


def test_what_connects_during_a_run_connects_again_and_learns_that_it_is_over() -> None:
    with Interrupts(), roster() as (made, port, _):
        with socket.create_connection(("127.0.0.1", port)) as waiting:
            late = Link(waiting)
            made.finish()
            heard = []
            with pytest.raises(LinkClosed):
                while (message := late.receive(20.0)) is not None:
                    heard.append(message["event"])
        assert heard == ["welcome", "over"]


@pytest.mark.parametrize(
    ("data", "error"), [(b"\xff\0\0", LocustListens), (b"GET / HTTP/1.1\r\n", WrongProtocol), (b"", LinkClosed)]
)
def test_what_speaks_something_else_is_told_apart(data: bytes, error: type[LinkClosed]) -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX)
    with theirs, pytest.raises(error) as raised:
        link = Link.__new__(Link)
        link._socket, link._received = ours, b""
        theirs.sendall(data)
        theirs.shutdown(socket.SHUT_WR)
        link.receive(5.0)
    ours.close()
    assert type(raised.value) is error


def test_a_proof_needs_the_same_secret_and_does_not_show_it() -> None:
    assert proof("a", NONCE) != proof("b", NONCE)
    assert proof("a", NONCE) != proof("a", NONCE + "1")
    assert proof("", NONCE) == ""
    assert SECRET not in proof(SECRET, NONCE)
