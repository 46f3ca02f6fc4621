# mypy: disable-error-code="no-untyped-call"
"""The workers that a web UI's master has on this host: one that dies is replaced, and the page shows it."""

import logging
import os
import signal
import time
from typing import Any

import gevent
import psutil
from gevent import socket, subprocess
from locust.runners import STATE_MISSING, MasterRunner

from loadtests.conductor.processes import child_of
from loadtests.conductor.run.locust import worker_argv, worker_environment
from loadtests.generator.channel import tokens
from loadtests.generator.workerstate import connected
from loadtests.webui.control import RunControl

_SOON_S = 10.0
"""A worker that lived for less than this did not get far."""

_MOST_SOON = 3
"""So many of those in a row are not replaced: the next one would die as well."""

_NOTICED_WITHIN_S = 5.0
"""How long the kernel may take to close a dead worker's connection."""

_log = logging.getLogger(__name__)


class LocalWorkers:
    """Watches and replaces; `control` shows what it did."""

    def __init__(self, runner: MasterRunner, control: RunControl, options: Any) -> None:
        self._runner, self._control = runner, control
        self._master = f"127.0.0.1:{options.master_bind_port}"
        self._soon = 0
        if options.processes:
            for worker in psutil.Process().children():
                gevent.spawn(self._watch, worker.pid)

    def _watch(self, pid: int) -> None:
        """Returns when the process has ended and another has taken its place."""
        began = time.monotonic()
        try:
            pidfd = os.pidfd_open(pid)
            try:
                socket.wait_read(pidfd)
            finally:
                os.close(pidfd)
        except ProcessLookupError:
            pass
        if self._control.leaving:
            return
        self._soon = self._soon + 1 if time.monotonic() - began < _SOON_S else 0
        self._replace(pid)

    def _replace(self, pid: int) -> None:
        _log.error("the local worker %s has died", pid)
        while self._control.loading:  # it ends the run, which reports it
            gevent.sleep(0.1)
        self._forget_connection()
        if self._soon >= _MOST_SOON:
            self._control.note = f"{self._soon} local workers died one after another; start the web UI again."
            _log.error("%s", self._control.note)
            return
        if self._control.leaving:  # since the worker died
            return
        try:
            new = self._start()
        except OSError as error:
            self._control.note = f"The local worker {pid} died and cannot be replaced: {error.strerror}."
            _log.error("%s", self._control.note)
            return
        self._control.note = f"The local worker {pid} died and was replaced."
        gevent.spawn(self._watch, new)

    def _start(self) -> int:
        """In a session of its own: the master passes Ctrl-C on in its own way. Raises OSError."""
        worker = subprocess.Popen(
            worker_argv(self._master),
            stdin=subprocess.DEVNULL,
            env=worker_environment(tokens.token()),
            start_new_session=True,
            preexec_fn=child_of(os.getpid(), signal.SIGTERM),
        )
        return int(worker.pid)

    def _forget_connection(self) -> None:
        """Locust itself would count a dead worker for as long as one that is silent."""
        until = time.monotonic() + _NOTICED_WITHIN_S
        while time.monotonic() < until:
            gone = [n for n in self._runner.clients.all if not connected(self._runner, n.id)]
            for node in gone:
                node.heartbeat, node.state = -1, STATE_MISSING
                node.user_classes_count = {}  # Locust's stop would wait a minute for these users
            if gone:
                return
            gevent.sleep(0.1)
