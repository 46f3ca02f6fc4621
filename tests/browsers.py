"""A headless Chromium that a test steers over its debugging protocol."""

import base64
import itertools
import json
import os
import shutil
import signal
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import ClientConnection, connect

QUIET = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--remote-debugging-port=0",
    "--hide-scrollbars",
]  # fmt: skip

PHONE = (390, 844)
DESKTOP = (1280, 900)


class Tab:
    """One page. Scripts are expressions; a promise is awaited."""

    def __init__(self, socket: ClientConnection, directory: Path) -> None:
        self._socket, self._directory = socket, directory
        self._numbers = itertools.count(1)
        self.events: list[dict[str, Any]] = []
        """What the browser reported by itself, of the domains that are enabled: requests, errors."""

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        number = next(self._numbers)
        self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            message = json.loads(self._socket.recv(timeout=90))
            if message.get("id") == number:
                assert "error" not in message, f"{method}: {message.get('error')}"
                return message.get("result", {})  # type: ignore[no-any-return]
            self.events.append(message)

    def open(self, url: str) -> None:
        """Returns when the page has loaded. The one before may still be there when the navigation is answered."""
        self.evaluate("window.isPageBefore = true")
        self.call("Page.navigate", url=url)
        self.until("document.readyState === 'complete' && !window.isPageBefore && location.href !== 'about:blank'")

    def evaluate(self, script: str) -> Any:
        result = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    def until(self, script: str, timeout_s: float = 60.0) -> Any:
        """Waits until the script's value is true, over reloads, and returns it."""
        until = time.monotonic() + timeout_s
        while time.monotonic() < until:
            with suppress(AssertionError):  # the page is being loaded
                if value := self.evaluate(script):
                    return value
            time.sleep(0.1)
        raise AssertionError(f"{script} did not become true; the page says: {self.text()}")

    def text(self) -> str:
        """What can be read on the page."""
        return str(self.evaluate("document.body.innerText"))

    def until_text(self, text: str) -> None:
        self.until(f"document.body.innerText.includes({json.dumps(text)})")

    def click(self, text: str, times: int = 1) -> None:
        """Clicks the visible button of that text."""
        named = f"b.innerText.toUpperCase() === {json.dumps(text.upper())}"
        seen = "b.offsetParent !== null && !b.disabled"
        button = f"[...document.querySelectorAll('button')].find(b => {named} && {seen})"
        self.until(f"!!{button}")
        self.evaluate(f"(() => {{ const b = {button}; {'b.click();' * times} }})()")

    def size(self, size: tuple[int, int]) -> None:
        width, height = size
        phone = size == PHONE
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=phone)

    def colours(self, scheme: str) -> None:
        """`light` or `dark`."""
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def scripts(self, on: bool) -> None:
        self.call("Emulation.setScriptExecutionDisabled", value=not on)

    def paper(self, name: str) -> Path:
        """The page as a PDF."""
        path = self._directory / f"{name}.pdf"
        printed = self.call("Page.printToPDF", preferCSSPageSize=True, printBackground=True)
        path.write_bytes(base64.b64decode(printed["data"]))
        return path

    def picture(self, name: str) -> Path:
        path = self._directory / f"{name}.png"
        shot = self.call("Page.captureScreenshot", format="png")
        path.write_bytes(base64.b64decode(shot["data"]))
        return path


class Browser:
    """Opens tabs."""

    def __init__(self, port: int, directory: Path) -> None:
        self._port, self._directory = port, directory
        self._opened = ExitStack()

    def tab(self, url: str) -> Tab:
        request = urllib.request.Request(f"http://127.0.0.1:{self._port}/json/new?about:blank", method="PUT")
        with urllib.request.urlopen(request, timeout=30) as answer:
            target = json.loads(answer.read())
        self._opened.callback(self._close_tab, target["id"])
        socket = self._opened.enter_context(connect(target["webSocketDebuggerUrl"], max_size=None, proxy=None))
        tab = Tab(socket, self._directory)
        tab.size(DESKTOP)
        tab.open(url)
        return tab

    def close(self) -> None:
        """Closes the tabs; others can be opened afterwards."""
        self._opened.close()

    def _close_tab(self, target: str) -> None:
        with suppress(OSError):  # of a tab that has crashed
            urllib.request.urlopen(f"http://127.0.0.1:{self._port}/json/close/{target}", timeout=30).close()


def chromium() -> str:
    """Its path; without one the test is skipped, or fails where CI=true."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        why = "no Chromium on PATH"
        pytest.fail(why) if os.environ.get("CI") == "true" else pytest.skip(why)
    return program


@contextmanager
def browsing(directory: Path, *flags: str) -> Iterator[Browser]:
    profile = directory / "profile"
    process = subprocess.Popen(
        [chromium(), *QUIET, *flags, f"--user-data-dir={profile}", "about:blank"],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        env={**os.environ, "HOME": str(directory)},
    )  # fmt: skip
    try:
        browser = Browser(_port(profile / "DevToolsActivePort"), directory)
        yield browser
        browser.close()
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _port(path: Path) -> int:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        with suppress(FileNotFoundError, ValueError, IndexError):
            return int(path.read_text().splitlines()[0])
        time.sleep(0.1)
    raise AssertionError("Chromium did not begin to listen")
