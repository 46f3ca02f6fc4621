"""A whole study against the hostile server: `hostile_study.py SECONDS [MODE]`, or `make hostile`.

Half of the connections are served properly, each of the others is in the next mode, or all in MODE. Prints
what the study made of it, and ends with 1 when something that must hold did not.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
import unicodedata
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from hostile_server import STUDY, hostile_server

from loadtests.accounts import token_for
from loadtests.records.rundirectory import RunDirectory, run_directories
from loadtests.records.vocabulary import ERRORS, OUTCOMES

SECRET = "signed-with-this"
MOST_BYTES = 300 << 20
ENDS_WITHIN_S = 60.0
"""On top of the load's own time."""

SCENARIO = """\
name: hostile
seed: 11
accounts: 2
locales: [en_GB]
storages: [memory]
objectives: objectives.yaml
agent: {{subscriptions: 1, think: {{median: 50ms, sigma: 0.3}}, chats_at_once: 4, session: 2s, churn: 1s}}
customer: {{arrivals: poisson, patience: 1s, messages: {{min: 1, max: 2}}, pause: {{median: 50ms, sigma: 0.3}}}}
timeouts: {{default: 1s}}
stages:
  - {{name: warm-up, duration: 1s, agents: 10, arrivals_per_s: 10}}
  - {{name: steady, duration: {steady_s}s, agents: 10, arrivals_per_s: 10, judge: true}}
"""


@dataclass
class Study:
    """What became of it. `rss` is the most that each process was seen to use, by its command."""

    mode: str = ""
    exit_code: int | None = None
    output: str = ""
    path: Path = Path()
    rss: dict[str, int] = field(default_factory=dict)
    report: int | None = None
    gate: int | None = None

    @property
    def run(self) -> RunDirectory:
        (run,) = run_directories(self.path)
        return run

    def ends(self) -> Counter[str]:
        """How often operations ended with each error."""
        return Counter(
            f"{OUTCOMES[outcome]} {ERRORS[error]}".strip()
            for batch in self.run.batches("operations")
            for outcome, error in zip(batch["outcome"].to_pylist(), batch["error"].to_pylist(), strict=True)
        )

    def problems(self) -> Iterator[str]:
        """What should hold and does not."""
        if self.exit_code is None:
            yield "the study did not end by itself"
            return
        end = self.run.read("end") or {}
        if (self.exit_code, end.get("reason")) != (0, "completed"):
            yield f"exit code {self.exit_code}, reason {end.get('reason')}: {end.get('detail')}"
        if end.get("operations", {}).get("lost") != 0:
            yield f"operations: {end.get('operations')}"
        expected = ("fail bad_reply", "fail handshake_rejected", "unknown cut_off", "unknown timeout")
        for error in ("ok", *(() if self.mode else expected)):
            if not self.ends()[error]:
                yield f"no operation ended with {error}"
        yield from (f"{name} used {rss >> 20} MB" for name, rss in self.rss.items() if rss > MOST_BYTES)
        if self.report not in (None, 0):
            yield f"the report ended with {self.report}"
        if self.gate not in (None, 1, 2):
            yield f"the gate ended with {self.gate}"
        yield from self._unsafe_text()

    def _unsafe_text(self) -> Iterator[str]:
        signatures = [token_for(f"account-{n:04d}", SECRET).rpartition(".")[2][:16] for n in range(1, 3)]
        texts = {"the output": self.output}
        for path in self.path.rglob("*"):
            if path.suffix in (".log", ".json", ".html", ".md", ".xml", ".svg"):
                texts[path.name] = path.read_text(encoding="utf-8", errors="replace")
        for name, text in texts.items():
            if name.endswith(".log") and any(words in text for words in ("Traceback", "not handled", "internal error")):
                yield f"{name} has an error of the harness: {text[-2000:]}"
            if unsafe := sorted({ascii(c) for c in text if unicodedata.category(c) == "Cc" and c not in "\n\t"}):
                yield f"{name} has {', '.join(unsafe)}"
            if any(c in text for c in "\u202e\u2066"):
                yield f"{name} has a bidirectional override"
            if any(signature in text for signature in (*signatures, SECRET)):
                yield f"{name} has a secret"


def make_study(
    directory: Path, steady_s: float, commands: tuple[str, ...] = ("report", "gate"), mode: str = ""
) -> Study:
    """Runs it in an empty directory, and the commands that read it; `mode`: that of every hostile connection."""
    _certificate(directory)
    scenario = directory / "hostile.yaml"
    scenario.write_text(SCENARIO.format(steady_s=steady_s))
    (directory / "objectives.yaml").write_text(
        (Path(__file__).parents[2] / "scenarios/objectives.yaml").read_text(encoding="utf-8")
    )
    study = Study(mode)
    with hostile_server(directory, f"--study={mode}") as ports:
        target = f"ws://127.0.0.1:{ports[STUDY]}/"
        arguments = ["run", str(scenario), "--target", target, "--label", "hostile", "--runs", str(directory / "runs")]
        _watch(study, directory, arguments, steady_s + ENDS_WITHIN_S)
    if study.exit_code is not None:
        for command in commands:
            program = Path(sys.executable).with_name(f"loadtests-{command}")
            done = subprocess.run([program, study.path], capture_output=True, text=True, timeout=120, check=False)
            setattr(study, command, done.returncode)
            study.output += done.stdout + done.stderr
    return study


def _watch(study: Study, directory: Path, arguments: list[str], within_s: float) -> None:
    with (directory / "output").open("w+") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "loadtests", *arguments],
            stdout=output,
            stderr=output,
            env={**os.environ, "LOADTESTS_TOKEN_SECRET": SECRET},
            start_new_session=True,
        )
        try:
            until = time.monotonic() + within_s
            while process.poll() is None and time.monotonic() < until:
                _note_memory(study, process.pid)
                time.sleep(0.1)
            study.exit_code = process.poll()
        finally:
            process.kill()
            process.wait()
        output.seek(0)
        study.output = output.read()
    study.path = max((directory / "runs").iterdir(), default=Path())


def _note_memory(study: Study, pid: int) -> None:
    with suppress(psutil.Error):
        whole = psutil.Process(pid)
        for process in [whole, *whole.children(recursive=True)]:
            with suppress(psutil.Error):
                name = f"{' '.join(process.cmdline()[1:5])} ({process.pid})"
                study.rss[name] = max(study.rss.get(name, 0), process.memory_info().rss)


def _certificate(directory: Path) -> None:
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1",
         "-subj", "/CN=localhost", "-keyout", directory / "key.pem", "-out", directory / "cert.pem"],
        check=True, capture_output=True,
    )  # fmt: skip


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="hostile-") as directory:
        study = make_study(Path(directory), float(sys.argv[1]), mode=" ".join(sys.argv[2:]))
        problems = list(study.problems())
        print(study.output)
        if study.exit_code is not None:
            print(json.dumps(dict(study.ends().most_common()), indent=1))
    for name, rss in study.rss.items():
        print(f"{rss >> 20:>6} MB  {name}")
    print(f"exit codes: run {study.exit_code}, report {study.report}, gate {study.gate}")
    print("\n".join(problems) or "everything holds")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
