"""The worker hosts of a study, on the master's side: they are gathered before each run and serve all of them."""

import contextlib
import secrets
import select
import socket
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from loadtests.conductor.failures import RunEnded
from loadtests.conductor.hosts.admission import Admission, Hello, problem_of, problem_of_proof, problem_of_version
from loadtests.conductor.hosts.candidates import Candidates
from loadtests.conductor.hosts.link import Link, LinkClosed
from loadtests.conductor.hosts.session import NONCE_LENGTH, ControlSession, run_token
from loadtests.conductor.watching import Deadline, Interrupts, ProcessWatch
from loadtests.sanitize import sanitize

_STARTS_WITHIN_S = 20.0
"""How long a host may take to start its workers: those of the run before end first."""

_REPORT_EVERY_S = 10.0
_LISTENS_WITHIN_S = 10.0
_MOST_REFUSALS = 20
"""Refusals that are reported; a stranger chooses the names in them."""

_MOST_SHOWN = 3
"""Refusals that are repeated while workers are waited for."""

_MOST_MESSAGES = 1000
"""Messages of one host that are read at once: one that never ends its talk does not stop the rest."""

_LAST_HELLO_S = 1.0
"""How long hosts that connect at the study's end may take to prove who they are: they learn then that it is over."""


@dataclass
class WorkerHost:
    """A host that takes part."""

    link: Link
    node: str
    address: str
    processes: int

    @property
    def name(self) -> str:
        return f"{self.node} ({self.address})"


Lost = Callable[[WorkerHost, str, str], None]
"""Called with the host, `host` or `process`, and how it ended."""


class Roster:
    """Who takes part. Everything happens in calls: nothing is accepted while the conductor does something else."""

    def __init__(self, address: tuple[str, int], admission: Admission, wait_s: float, report: Callable[[str], None]):
        """Raises OSError when it cannot listen at `address`. `report` shows a sentence on the master's terminal."""
        self._address, self._admission, self._wait_s, self._report = address, admission, wait_s, report
        self.hosts: list[WorkerHost] = []
        self._refusals: set[tuple[str, str]] = set()
        self._over = False
        self._candidates = Candidates(self._report_refusal)
        self._listener: socket.socket | None = None
        self.listen()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.finish()

    # The port.

    def listen(self) -> None:
        """Listens at the port of `--bind`; a Locust master that has just ended may still have it for a moment."""
        if self._listener is not None:
            return
        host, port = self._address
        found = socket.getaddrinfo(
            None if host == "*" else host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        family, kind, _, _, address = found[0]
        deadline = Deadline(_LISTENS_WITHIN_S)
        while True:
            listener = socket.socket(family, kind)
            try:
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                listener.bind(address)
                listener.listen(128)
            except OSError:
                listener.close()
                if deadline.passed:
                    raise
                select.select([], [], [], 0.1)
            else:
                listener.setblocking(False)
                self._listener = listener
                return

    def leave_port(self) -> None:
        """Closes the listening socket, so that the Locust master can have the port; connections stay."""
        self._candidates.close()  # they connect again
        if self._listener is not None:
            self._listener.close()
            self._listener = None

    # Before a run.

    def gather(self, interrupts: Interrupts) -> None:
        """Returns when every worker that is expected is there. Raises RunEnded when they do not come in time."""
        deadline, report = Deadline(self._wait_s), Deadline(0.0)
        self._refusals.clear()
        while True:
            self._step(0.0)
            if not self._missing():
                return
            if deadline.passed:
                raise RunEnded("workers_unavailable", f"{self._present()} within {self._wait_s:g} s")
            if report.passed:
                report = Deadline(_REPORT_EVERY_S)
                self._report(f"waiting for workers at {self._where()}: {self._present()}; {deadline.left_s:.0f} s left")
            interrupts.check()
            self._step(min(0.5, report.left_s, deadline.left_s), interrupts.wakes)

    def release(self, run: str) -> str:
        """Has every host start its workers, and leaves the port to the Locust master. Returns the join token of the
        run's Locust connections. Raises RunEnded when a host does not answer."""
        nonce = secrets.token_hex(NONCE_LENGTH // 2)
        for host in list(self.hosts):
            try:
                host.link.send("run", name=run, nonce=nonce)
                self._await_start(host)
            except LinkClosed as closed:
                self._drop(host, str(closed))
        if self._missing():
            raise RunEnded("workers_unavailable", f"before the load, {self._present()}")
        self.leave_port()
        return run_token(self._admission.key, nonce)

    @staticmethod
    def _await_start(host: WorkerHost) -> None:
        deadline = Deadline(_STARTS_WITHIN_S)
        while not deadline.passed:
            message = host.link.receive(deadline.left_s)
            if message is not None and message["event"] == "starting":
                return
        raise LinkClosed(f"it did not start its workers within {_STARTS_WITHIN_S:g} s")

    # During a run.

    def watch(self, watch: ProcessWatch, lost: Lost) -> None:
        """Calls `lost` with the reason when a host, or a worker process there, is gone."""
        for host in self.hosts:
            watch.on_readable(host.link.fileno(), self._reader(host, watch, lost))

    def _reader(self, host: WorkerHost, watch: ProcessWatch, lost: Lost) -> Callable[[], None]:
        def read() -> None:
            try:
                for _ in range(_MOST_MESSAGES):
                    if (message := host.link.receive(0.0)) is None:
                        break
                    if message["event"] == "ended" and message.get("how"):
                        lost(host, "process", f"its process {sanitize(str(message['how']), 200)}")
            except LinkClosed as closed:
                watch.forget_readable(host.link.fileno())
                self._drop(host, str(closed), quiet=True)
                lost(host, "host", str(closed))

        return read

    # The end.

    def finish(self) -> None:
        """The study is over: every host ends, those that have connected in the meantime too."""
        self._over = True
        deadline = Deadline(_LAST_HELLO_S)
        with contextlib.suppress(OSError):
            self.listen()
            self._step(0.0)
            while self._candidates and not deadline.passed:
                self._step(min(0.1, deadline.left_s))
        for host in self.hosts:
            with contextlib.suppress(LinkClosed):
                host.link.send("over")
            host.link.close()
        self.hosts.clear()
        self.leave_port()

    # Connections.

    def _step(self, timeout_s: float, *wakes: socket.socket) -> None:
        """Waits for something to happen, and handles it."""
        descriptors = [*(host.link.fileno() for host in self.hosts), *self._candidates.filenos()]
        descriptors += [known.fileno() for known in (self._listener, *wakes) if known is not None]
        select.select(descriptors, [], [], max(timeout_s, 0.0))
        if self._listener is not None:
            self._candidates.accept(self._listener)
        for candidate, hello in self._candidates.hellos():
            self._admit(candidate.link, candidate.nonce, hello)
        for host in list(self.hosts):
            try:
                for _ in range(_MOST_MESSAGES):
                    if host.link.receive(0.0) is None:  # how workers of an earlier run ended
                        break
            except LinkClosed as closed:
                self._drop(host, str(closed))

    def _admit(self, link: Link, nonce: str, hello: Hello) -> None:
        admission = self._admission
        host = WorkerHost(link, hello.node_name, link.peer, hello.processes)
        problem = problem_of_version(hello, admission) or problem_of_proof(hello, admission, nonce)
        if not problem:
            link.secure(ControlSession.of_master(admission.key, hello.context(nonce)))
            problem = "" if self._over else problem_of(hello, admission, nonce, self._processes())
        try:
            if self._over and not problem:
                link.send("over")
            elif problem:
                self._report_refusal(host.name, problem)
                link.send("refused", reason=problem)
            else:
                link.send("accepted", address=host.address)
                self._add(host)
                return
        except LinkClosed:
            pass
        link.close()

    def _add(self, host: WorkerHost) -> None:
        self.hosts.append(host)
        if self._missing():
            self._report(f"the worker on {host.name} is there: {self._present()}")

    def _report_refusal(self, name: str, problem: str) -> None:
        """Once, however often it tries again."""
        if (name, problem) not in self._refusals and len(self._refusals) < _MOST_REFUSALS:
            self._refusals.add((name, problem))
            self._report(f"refused the worker on {name}: {problem}")
            if len(self._refusals) == _MOST_REFUSALS:
                self._report("further refusals are not reported")

    def _drop(self, host: WorkerHost, why: str, *, quiet: bool = False) -> None:
        host.link.close()
        self.hosts.remove(host)
        if not quiet:
            self._report(f"the worker on {host.name} is gone: {why}")

    # Words.

    def _processes(self) -> dict[str, int]:
        counted: Counter[str] = Counter()
        for host in self.hosts:
            counted[host.name] += host.processes
        return dict(counted)

    def _missing(self) -> int:
        return self._admission.expected - sum(host.processes for host in self.hosts)

    def _present(self) -> str:
        """`1 of 2 workers came (1 on host-a (10.0.0.1))`."""
        there = self._admission.expected - self._missing()
        hosts = ", ".join(f"{count} on {name}" for name, count in self._processes().items())
        shown = sorted(self._refusals)[:_MOST_SHOWN]
        refused = "".join(f"; refused: {name}: {problem}" for name, problem in shown)
        if more := len(self._refusals) - len(shown):
            refused += f"; and {more} more"
        return f"{there} of {self._admission.expected} workers came" + (f" ({hosts})" if hosts else "") + refused

    def _where(self) -> str:
        host, port = self._address
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
