"""The start form and the page of the run, as a real browser shows them."""

import json
import os
import shutil
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest
from uis import Ui, ended

pytestmark = [pytest.mark.e2e, pytest.mark.browser]

QUIET = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--window-size=1200,1400",
]  # fmt: skip


class Browser:
    """Headless Chromium; each look is a process of its own, ended with its children."""

    def __init__(self, program: str, directory: Path) -> None:
        self._program = program
        self.directory = directory

    def _look(self, url: str, wanted: str) -> str:
        profile = f"--user-data-dir={self.directory / 'profile'}"
        argv = [self._program, *QUIET, profile, "--virtual-time-budget=5000", wanted, url]
        process = subprocess.Popen(
            argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, start_new_session=True
        )
        try:
            return process.communicate(timeout=60)[0]
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def text(self, url: str) -> str:
        """The page's elements, scripts run."""
        return self._look(url, "--dump-dom")

    def picture(self, url: str, name: str) -> Path:
        path = self.directory / f"{name}.png"
        self._look(url, f"--screenshot={path}")
        return path


@pytest.fixture
def browser(tmp_path: Path) -> Browser:
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        why = "no Chromium on PATH"
        pytest.fail(why) if os.environ.get("CI") == "true" else pytest.skip(why)
    return Browser(program, tmp_path)


def test_the_start_form_and_the_page_of_a_run_in_a_browser(ui: Ui, browser: Browser, tmp_path: Path) -> None:
    form = browser.text(ui.address + "/")
    assert "agent-workday" in form
    assert 'name="scenario"' in form
    assert 'name="storage"' in form
    browser.picture(ui.address + "/", "form")
    ui.until(lambda: len(json.loads(ui.get("/stats/requests"))["workers"]) == 2)
    ui.post("/swarm", scenario=str(tmp_path / "short.yaml"), storage="memory")
    ui.until(lambda: len(ended(tmp_path)) == 1)
    ui.until(lambda: "<dd>ended</dd>" in ui.get("/run"))
    page = browser.text(ui.address + "/run")
    assert "<dt>Scenario</dt><dd>short</dd>" in page
    assert '<th scope="row">chat.accept</th>' in page
    (end,) = ended(tmp_path)
    assert f"<dt>Operations begun</dt><dd>{end['operations']['begun']}</dd>" in page
    assert "Time left" not in page
    assert browser.picture(ui.address + "/run", "run").stat().st_size > 10_000, "a page with something on it"
