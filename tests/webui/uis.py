"""A Locust web UI with our fields and pages, and what its start form sends."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from loadtests.conductor.ports import free_port

ROOT = Path(__file__).parents[2]

SCENARIO = """
name: short
agent:
  subscriptions: 1
  think: {median: 50ms, sigma: 0.3}
  chats_at_once: 3
  session: 10s
customer:
  arrivals: constant
  patience: 2s
  messages: {min: 1, max: 1}
  pause: {median: 30ms, sigma: 0.3}
stages:
  - {name: warm-up, duration: 1s, agents: 2, arrivals_per_s: 5}
  - {name: steady, duration: 1s, agents: 2, arrivals_per_s: 5, judge: true}
"""


class Ui:
    """Locust's web UI, as its page talks to it: with the cookie and the token of one session."""

    def __init__(self, port: int, pid: int) -> None:
        self.address, self.pid = f"http://127.0.0.1:{port}", pid
        self._browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())

    def log_in(self, password: str) -> None:
        """As the page of the log-in does it; the session is logged in from then on."""
        token = self.get("/login").partition('name="csrf_token" value="')[2].partition('"')[0]
        data = urllib.parse.urlencode({"csrf_token": token, "password": password}).encode()
        self._browser.open(self.address + "/login", data, timeout=30).close()

    def get(self, path: str) -> str:
        with self._browser.open(self.address + path, timeout=30) as answer:
            return str(answer.read().decode())

    def post(self, path: str, **form: str) -> dict[str, Any]:
        """The answer to a button of the page."""
        token = json.loads(self.get("/run/token"))["token"]
        data = urllib.parse.urlencode(form).encode()
        button = urllib.request.Request(self.address + path, data, {"X-CSRF-Token": token})
        with self._browser.open(button, timeout=120) as answer:
            return json.loads(answer.read())  # type: ignore[no-any-return]

    @property
    def state(self) -> str:
        """Locust's, as its page gets it."""
        return str(json.loads(self.get("/stats/requests"))["state"])

    @property
    def status(self) -> dict[str, Any]:
        """Ours, as the banner gets it."""
        return json.loads(self.get("/run/status"))  # type: ignore[no-any-return]

    @property
    def workers(self) -> int:
        return int(json.loads(self.get("/worker-count"))["worker_count"])

    def until_phase(self, *phases: str) -> dict[str, Any]:
        self.until(lambda: self.status["phase"] in phases)
        return self.status

    def until(self, happened: Callable[[], bool], timeout_s: float = 60.0) -> None:
        until = time.monotonic() + timeout_s
        while time.monotonic() < until:
            with suppress(urllib.error.URLError, ConnectionError):
                if happened():
                    return
            time.sleep(0.2)
        raise AssertionError("it did not happen in time")


LONG = SCENARIO.replace("name: short", "name: long").replace("duration: 1s", "duration: 60s")


@contextmanager
def web_ui(tmp_path: Path, *options: str, processes: int = 2, **environment: str) -> Iterator[Ui]:
    """Locust's command with our locustfile; the form offers `short` and `long` besides the shipped scenarios."""
    (tmp_path / "scenarios").mkdir(exist_ok=True)
    for directory in (tmp_path, tmp_path / "scenarios"):
        (directory / "short.yaml").write_text(SCENARIO)
        (directory / "long.yaml").write_text(LONG)
    port = free_port()
    argv = ["-f", str(ROOT / "loadtests" / "locustfile.py"), "--processes", str(processes), *options]
    argv += ["--web-port", str(port), "--runs-dir", str(tmp_path / "runs")]
    with (tmp_path / "locust.log").open("w") as log:
        locust = subprocess.Popen(
            [sys.executable, "-m", "locust", *argv],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd=tmp_path,
            env=os.environ | environment,
        )  # fmt: skip
    try:
        page = Ui(port, locust.pid)
        if "--web-login" in options:
            page.until(lambda: "Password" in page.get("/login"))
            page.log_in(environment["LOADTESTS_WEB_PASSWORD"])
        page.until(lambda: "No run yet" in page.get("/run"))
        page.until(lambda: page.workers == processes)
        yield page
    finally:
        with suppress(ProcessLookupError):
            os.killpg(locust.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            locust.wait(timeout=20)
        with suppress(ProcessLookupError):
            os.killpg(locust.pid, signal.SIGKILL)
        locust.wait()


def ended(tmp_path: Path) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in sorted((tmp_path / "runs").glob("*/*/end.json"))]
