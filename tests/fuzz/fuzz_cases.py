"""One mutated study, read by gate, report and export in processes of their own, and what is wrong with the results."""

import contextlib
import csv
import io
import json
import os
import random
import re
import resource
import select
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn
from unittest import mock
from xml.etree import ElementTree as ET

import psutil
from fuzz_base import OBJECTIVES, STUDY
from fuzz_mutations import Mutation, mutate

LIMIT_S = 10
"""Processor time of one command. In clock time a command may take longer, on a busy machine."""

STUCK_S = 600
LIMIT_BYTES = 1 << 30
_ADDRESS_SPACE = 6 << 30
_FORMULA = re.compile(r"^[\s\x00-\x1f]*[=+\-@]")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_CRASH = re.compile(r"crashed|cannot be read: \w+(Error|Exception|Invalid)\b|Traceback|fault of the harness")
_ALLOWED = {"gate": {0, 1, 2, 64, 69}, "report": {0, 2, 64, 69}, "export": {0, 64, 69}}


def run_case(base: Path, scratch: Path, seed: int, plots: bool) -> list[str]:
    """What is wrong, one line each; nothing when all is as it should be."""
    directory = scratch / str(seed)
    shutil.rmtree(directory, ignore_errors=True)
    shutil.copytree(base, directory, symlinks=True)
    study = directory / STUDY
    try:
        mutation = mutate(next(path for path in study.iterdir() if path.name.startswith("01-")), seed)
        commands: dict[str, Callable[[], int]] = {
            "gate": lambda: _gate(study, random.Random(seed).random() < 0.7),
            "export": lambda: _export(study),
            "report": lambda: _report(study, plots),
        }
        chosen = [name for name in commands if name != "report" or seed % 3 == 0 or plots]
        found = [line for name in chosen for line in judge(name, commands[name], study, mutation)]
        return [f"{seed}: {mutation.words}: {line}" for line in found]
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def warm_up(study: Path, scratch: Path) -> None:
    """Imports and caches what every case needs, before processes are forked. The study must pass."""
    shutil.copytree(study, scratch / STUDY, symlinks=True)
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        assert _gate(scratch / STUDY, True) == 0, printed.getvalue()
        assert _export(scratch / STUDY) == 0
        assert _report(scratch / STUDY, False) == 0


def _gate(study: Path, given: bool) -> int:
    from reports.gate.command import main

    objectives = study.parent / "objectives.yaml"
    objectives.write_text(OBJECTIVES)
    return main([str(study), *(["--objectives", str(objectives)] if given else [])])


def _report(study: Path, plots: bool) -> int:
    from reports import report_command
    from reports.page.plots import drawing

    with mock.patch.object(drawing, "draw", drawing.draw if plots else lambda *_: ([], "")):
        return report_command.main([str(study)])


def _export(study: Path) -> int:
    from loadtests.export import export_run

    run = next(path for path in sorted(study.iterdir()) if path.name.startswith(("01-", "9")))
    return export_run(run, "csv", study.parent / "csv")


def judge(name: str, command: Callable[[], int], study: Path, mutation: Mutation) -> Iterator[str]:
    code, output, peak, seconds = _in_child(command)
    if code not in _ALLOWED[name]:
        yield f"{name} ended with {code} after {seconds:.1f} s: {output[-600:]!r}"
        return
    if peak > LIMIT_BYTES:
        yield f"{name} took {peak / 2**20:.0f} MiB"
    if crash := _CRASH.search(output):
        yield f"{name} says {crash[0]!r}: {output[max(crash.start() - 100, 0) : crash.end() + 300]!r}"
    if marks := _CONTROL.search(output):
        yield f"{name} printed {marks[0]!r}: {output[max(marks.start() - 60, 0) : marks.end() + 60]!r}"
    if name == "gate" and code == 0 and mutation.must_not_pass:
        yield "gate passed"
    for line in _OUTPUTS[name](study, code):
        yield f"{name}: {line}"


def _verdict(study: Path, code: int) -> Iterator[str]:
    if code > 2:
        if (study / "verdict.json").exists():
            yield "a verdict was left"
        return
    text = (study / "verdict.json").read_text(encoding="utf-8")
    _strict(text)
    ET.fromstring((study / "verdict.xml").read_text(encoding="utf-8"))
    if crash := _CRASH.search(text):
        yield f"verdict.json says {text[max(crash.start() - 100, 0) : crash.end() + 300]!r}"


def _strict(text: str) -> Any:
    def refuse(word: str) -> NoReturn:
        raise ValueError(word)

    return json.loads(text, parse_constant=refuse)


def _page(study: Path, code: int) -> Iterator[str]:
    if code not in (0, 2):
        if not (study / "report" / "earlier").exists():
            yield "the earlier report is gone"
    else:
        report = study / "report"
        _strict((report / "summary.json").read_text(encoding="utf-8"))
        yield from _cells(report / "figures.csv")
        for plot in report.glob("*.svg"):
            ET.fromstring(plot.read_text(encoding="utf-8"))
        page = (report / "index.html").read_text(encoding="utf-8")
        if marks := _CONTROL.search(page):
            yield f"the page has {marks[0]!r}"
        if re.search(r"<script|<img|\son\w+=", page):
            yield "the page has a tag of theirs"
    if left := [path.name for path in study.iterdir() if path.name.startswith(".report")]:
        yield f"left behind: {left}"


def _tables(study: Path, code: int) -> Iterator[str]:
    written = sorted((study.parent / "csv").glob("*")) if (study.parent / "csv").exists() else []
    if code and written:
        yield f"wrote {[path.name for path in written]} in spite of {code}"
    for path in written:
        yield from _cells(path)


def _cells(path: Path) -> Iterator[str]:
    csv.field_size_limit(1 << 24)
    rows = csv.reader(io.StringIO(path.read_text(encoding="utf-8"), newline=""))
    lengths = set()
    for number, row in enumerate(rows):
        lengths.add(len(row))
        for cell in row:
            if _FORMULA.match(cell) and not _is_number(cell):
                yield f"{path.name} has a formula: {cell[:40]!r}"
                return
        if number > 20_000:
            break
    if len(lengths) > 1:
        yield f"{path.name} has rows of {lengths} cells"


def _is_number(cell: str) -> bool:
    with contextlib.suppress(ValueError):
        return cell == cell.strip() and bool(float(cell) or True)
    return False


_OUTPUTS: dict[str, Callable[[Path, int], Iterator[str]]] = {"gate": _verdict, "report": _page, "export": _tables}


def _in_child(command: Callable[[], int]) -> tuple[int, str, int, float]:
    """Exit code (a signal's number, negative), what was printed, by how much resident memory grew at most, processor
    time. A child begins with the memory of this process, which has run other tests before."""
    reading, writing = os.pipe()
    before = psutil.Process().memory_info().rss
    child = os.fork()
    if not child:
        _work(command, writing)
    os.close(writing)
    output, deadline = b"", time.monotonic() + STUCK_S
    while select.select([reading], [], [], max(deadline - time.monotonic(), 0))[0]:
        piece = os.read(reading, 1 << 16)
        if not piece:
            break
        output = (output + piece)[-200_000:]
    else:
        os.kill(child, signal.SIGKILL)
    os.close(reading)
    _, status, used = os.wait4(child, 0)
    code = os.waitstatus_to_exitcode(status)
    grown = max(used.ru_maxrss * 1024 - before, 0)
    return code, output.decode("utf-8", "replace"), grown, used.ru_utime + used.ru_stime


def _work(command: Callable[[], int], writing: int) -> NoReturn:
    code = 99
    try:
        resource.setrlimit(resource.RLIMIT_CPU, (LIMIT_S, LIMIT_S))
        resource.setrlimit(resource.RLIMIT_AS, (_ADDRESS_SPACE, _ADDRESS_SPACE))
        for descriptor in (1, 2):
            os.dup2(writing, descriptor)
        sys.stdout, sys.stderr = (os.fdopen(n, "w", encoding="utf-8", errors="backslashreplace") for n in (1, 2))
        code = command()
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 98
    except BaseException as error:
        print(f"Traceback: {type(error).__name__}: {error}", file=sys.stderr)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
