"""`loadtests run --worker`: one worker host's part in a study, from the first connection to the study's end.

Each run has worker processes of its own, which are started when the master reports it and end with the run.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from typing import NoReturn

from loadtests.commandline import EX_INTERRUPTED, EX_OK, EX_SOFTWARE, EX_UNAVAILABLE, EX_USAGE, host_and_port
from loadtests.conductor.hosts.greeting import send_hello
from loadtests.conductor.hosts.link import PROTOCOL, Link, LinkClosed, LocustListens, Unproven
from loadtests.conductor.hosts.session import NONCE_LENGTH, run_token
from loadtests.conductor.processes import child_of
from loadtests.conductor.run.locust import worker_argv, worker_environment
from loadtests.conductor.watching import Deadline, Interrupts
from loadtests.joining import JOIN_TOKEN, TOKEN_SECRET
from loadtests.sanitize import sanitize

WORKER_ADDRESS = "LOADTESTS_WORKER_ADDRESS"
"""Variable of the worker processes: their host's address as the master sees it."""

GONE_AFTER_S = 20.0
"""A master that had accepted this host and refuses connections for so long has ended without a word. Between two runs
nothing listens for as long as a Locust master takes to start or to end."""

_CONNECT_WITHIN_S = 5.0
_TRY_EVERY_S = 0.5
_BUSY_EVERY_S = 5.0
_REPORT_EVERY_S = 10.0
_STEP_S = 0.2
_END_WITHIN_S = 10.0
"""How long worker processes may take to end once their run is over."""

_LOST_WITHIN_S = 20.0
"""How long they may take once the control connection is lost, which ends the run: without a master for 10 s they save
their rows and end, except those that have never reached it, which Locust would let try for five minutes."""

_LEAVE_WITHIN_S = 40.0
"""How long they may take to drain after a signal, and to have their rows acknowledged."""


_MOST_CLOSED = 5
"""Connections in a row that a master may close before it has accepted this host; one that begins a run closes one."""

_LONGEST_REASON = 500
_LONGEST_ADDRESS = 64
_LONGEST_NAME = 300
"""Characters that are kept of what a master sends."""


class _Ends(Exception):
    """The command ends, with that exit code and sentence."""

    def __init__(self, code: int, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


def serve(master: str, processes: int, wait_s: float) -> int:
    """Serves the runs of one study. Returns the exit code."""
    with Interrupts() as interrupts:
        agent = HostAgent(master, processes, wait_s, interrupts)
        try:
            agent.serve()
        except _Ends as end:
            agent.report(str(end))
            return end.code
        finally:
            agent.kill()


class HostAgent:
    """One worker host. `serve` is called once."""

    def __init__(self, master: str, processes: int, wait_s: float, interrupts: Interrupts) -> None:
        self._master, self._processes, self._wait_s = master, processes, wait_s
        self._interrupts = interrupts
        self._address = host_and_port(master)
        self._accepted = False
        self._key = b""
        self._workers: list[subprocess.Popen[bytes]] = []
        self._worker_address = ""

    @staticmethod
    def report(sentence: str) -> None:
        print(f"loadtests worker: {sentence}", file=sys.stderr, flush=True)

    def serve(self) -> NoReturn:
        """Raises _Ends."""
        deadline, closed_before = Deadline(self._wait_s), 0
        while True:
            link = self._connect()
            try:
                self._greet(link)
                while True:
                    self._handle(link)
                    deadline, closed_before = Deadline(self._wait_s), 0
            except Unproven as unproven:
                raise _Ends(EX_USAGE, self._unproven(unproven)) from None
            except LinkClosed as closed:
                self.report(f"lost the master at {self._master}: {closed}")
                self._await_workers()
                closed_before += 1
                if deadline.passed and closed_before >= _MOST_CLOSED:
                    text = f"the master at {self._master} accepted no worker within {self._wait_s:g} s: {closed}"
                    raise _Ends(EX_UNAVAILABLE, text) from None
                self._pause(_TRY_EVERY_S)
            finally:
                link.close()

    def _unproven(self, unproven: Unproven) -> str:
        return (
            f"the master at {self._master} is not the one that was meant: {unproven}. Check the address, and set"
            f" {JOIN_TOKEN} or {TOKEN_SECRET} to the same text in both environments"
        )

    # The connection.

    def _connect(self) -> Link:
        """Tries until the master has answered. Raises _Ends when it does not in time."""
        deadline, gone, report = (
            Deadline(self._wait_s),
            Deadline(GONE_AFTER_S),
            Deadline(0.0 if self._accepted else 2.0),
        )
        while True:
            self._check_interrupts()
            pause_s, problem = _TRY_EVERY_S, ""
            try:
                link = Link(socket.create_connection(self._address, _CONNECT_WITHIN_S))
                if self._is_welcome(link, deadline):
                    return link
                problem = "it does not answer"
            except LocustListens:
                deadline, gone = Deadline(self._wait_s), Deadline(GONE_AFTER_S)
                pause_s, problem = _BUSY_EVERY_S, "a run is under way, which this worker has no part in"
            except LinkClosed as closed:
                problem = str(closed)
            except ConnectionRefusedError as error:
                problem = f"{error.strerror}"
                if self._accepted and gone.passed:
                    raise _Ends(EX_UNAVAILABLE, f"the master at {self._master} is gone: it ended no study") from None
            except OSError as error:
                gone = Deadline(GONE_AFTER_S)
                problem = error.strerror or str(error)
            if deadline.passed:
                text = f"no master at {self._master} within {self._wait_s:g} s: {problem}"
                raise _Ends(EX_UNAVAILABLE, f"{text}. Start it with --master --bind, or check address and firewall")
            if report.passed:
                report = Deadline(_REPORT_EVERY_S)
                self.report(f"waiting for the master at {self._master}: {problem}; {deadline.left_s:.0f} s left")
            self._pause(pause_s)

    def _is_welcome(self, link: Link, deadline: Deadline) -> bool:
        """Whether the master has greeted in time; it does not while it prepares or ends a run."""
        try:
            while not deadline.passed:
                self._check_interrupts()
                if (message := link.receive(_STEP_S)) is not None:
                    self._greeting = message
                    return True
        except BaseException:
            link.close()
            raise
        link.close()
        return False

    def _greet(self, link: Link) -> None:
        """Proves to the master that this host belongs to it, and the other way round; returns when it is accepted."""
        nonce = self._greeting.get("nonce")
        if self._greeting["event"] != "welcome" or not isinstance(nonce, str) or len(nonce) != NONCE_LENGTH:
            raise _Ends(EX_USAGE, f"{self._master} is no master of `loadtests run --master`")
        if self._greeting.get("protocol") != PROTOCOL:
            text = f"the master at {self._master} runs another version of loadtests: install the same one on both"
            raise _Ends(EX_USAGE, text)
        sessions = send_hello(link, nonce, self._address, self._processes)
        link.require_proof([session for session, _ in sessions])
        message = self._next(link)
        if message["event"] == "refused":
            reason = sanitize(str(message.get("reason")), _LONGEST_REASON)
            raise _Ends(EX_USAGE, f"the master at {self._master} refused this worker: {reason}")
        if message["event"] == "over":
            raise _Ends(EX_OK, "the study is over")
        self._key = next(key for session, key in sessions if session is link.session)
        self._worker_address = sanitize(str(message.get("address", "")), _LONGEST_ADDRESS)
        self.report(f"accepted by the master at {self._master}; waiting for a run")
        self._accepted = True

    def _next(self, link: Link) -> dict[str, object]:
        while True:
            self._check_interrupts()
            if (message := link.receive(_STEP_S)) is not None:
                return message

    # Runs.

    def _handle(self, link: Link) -> None:
        """One step of an accepted host."""
        self._check_interrupts()
        self._report_ended(link)
        message = link.receive(_STEP_S)
        if message is None:
            return
        if message["event"] == "run":
            self._end_workers()
            self._start_workers(run_token(self._key, str(message.get("nonce"))))
            link.send("starting")
            self.report(f"run {sanitize(str(message.get('name')), _LONGEST_NAME)}")
        elif message["event"] == "over":
            self._end_workers()
            raise _Ends(EX_OK, "the study is over")

    def _start_workers(self, token: str) -> None:
        environment = worker_environment(token, **{WORKER_ADDRESS: self._worker_address})
        for _ in range(self._processes):
            worker = subprocess.Popen(
                worker_argv(self._master),
                stdin=subprocess.DEVNULL,
                env=environment,
                start_new_session=True,  # Ctrl-C reaches this process, which passes it on once
                preexec_fn=child_of(os.getpid()),  # noqa: PLW1509  there is one thread here
            )
            self._workers.append(worker)

    def _report_ended(self, link: Link) -> None:
        for worker in list(self._workers):
            if (code := worker.poll()) is not None:
                self._workers.remove(worker)
                how = _how(code)
                if how:
                    self.report(f"a worker process {how}")
                link.send("ended", how=how)

    def _end_workers(self) -> None:
        """Waits for the workers of a run that is over; those that do not end are killed."""
        self._wait_until_ended(Deadline(_END_WITHIN_S))
        self.kill()

    def _await_workers(self) -> None:
        """Without the connection to the master: workers that have lost it as well end by themselves, or are killed."""
        deadline = Deadline(_LOST_WITHIN_S)
        while not deadline.passed and any(worker.poll() is None for worker in self._workers):
            self._check_interrupts()
            time.sleep(_STEP_S)
        self.kill()

    def _wait_until_ended(self, deadline: Deadline) -> None:
        while not deadline.passed and any(worker.poll() is None for worker in self._workers):
            time.sleep(0.05)

    def kill(self) -> None:
        for worker in self._workers:
            worker.kill()
            worker.wait()
        self._workers.clear()

    # Signals.

    def _pause(self, seconds: float) -> None:
        until = Deadline(seconds)
        while not until.passed:
            self._check_interrupts()
            time.sleep(min(_STEP_S, until.left_s))

    def _check_interrupts(self) -> None:
        """A signal goes on to the workers, which end in order; a second one kills them."""
        if not self._interrupts.count:
            return
        number = self._interrupts.last or signal.SIGTERM
        for worker in self._workers:
            if worker.poll() is None:
                worker.send_signal(number)
        deadline = Deadline(_LEAVE_WITHIN_S)
        while self._interrupts.count == 1 and not deadline.passed and any(w.poll() is None for w in self._workers):
            time.sleep(0.05)
        self.kill()
        raise _Ends(EX_INTERRUPTED, f"ended by {signal.Signals(number).name}")


def _how(code: int) -> str:
    """How a worker process ended, in words; empty when it ended in order."""
    if code == EX_OK:
        return ""
    if code < 0:
        return f"was killed by {signal.Signals(-code).name}"
    why = " (its master was silent)" if code == EX_SOFTWARE else ""
    return f"ended with exit code {code}{why}"
