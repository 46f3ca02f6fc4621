"""`loadtests-report STUDY`: run directories → `STUDY/report/`."""

from loadtests import environment

if __name__ == "__main__":  # before any library is imported
    environment.clean()

import contextlib
import errno
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from loadtests import readers
from loadtests.commandline import EX_OK, EX_UNAVAILABLE, EX_UNKNOWN, EX_USAGE, Parser, exit_code_of, file_path
from loadtests.configuration.problems import SourceError
from loadtests.credentials import without_credentials
from loadtests.records.files import UnreadableError
from loadtests.records.rundirectory import RunDirectory
from loadtests.sanitize import sanitize_lines
from loadtests.standardstreams import print_path, secure
from reports.analysis.study import find
from reports.data.comparability import differences
from reports.data.contract import StudyRun
from reports.data.runs import NotAStudyError, read_study
from reports.exports.figures import as_csv, figures
from reports.exports.summary import markdown, summary
from reports.findings.study import Findings
from reports.gate.inputs.reading import read_evidence, study_storages, with_pods
from reports.gate.judging.judge import judge
from reports.gate.judging.verdicts import Judgement
from reports.gate.slo.chosen import recorded_objectives
from reports.gate.slo.objectives import Objectives, load_objectives
from reports.text.story import story


class ReportError(Exception):
    """No report can be made; `code` is what to exit with."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(without_credentials(message))
        self.code = code


def build_parser() -> Parser:
    parser = Parser("loadtests-report", description="Makes a study's report; its path is the last line.")
    parser.add_argument(
        "study", type=file_path, metavar="STUDY", help="the study's directory, as `loadtests run` prints it"
    )
    parser.add_argument(
        "--objectives",
        type=file_path,
        metavar="FILE",
        help="OpenSLO v1: its limits separate good attempts from bad (verdicts: by default those of the scenario)",
    )
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    secure("loadtests-report")
    options = build_parser().parse_args(arguments)
    return exit_code_of("loadtests-report", lambda: _report(options.study, options.objectives))


def _report(study: Path, objectives: Path | None) -> int:
    try:
        page, rows = report(study, objectives)
    except ReportError as error:
        print(f"loadtests-report: {sanitize_lines(str(error))}", file=sys.stderr)
        return error.code
    except UnreadableError as error:
        print(f"loadtests-report: {error}; no report can be made of this study", file=sys.stderr)
        return EX_USAGE
    except OSError as error:
        print(f"loadtests-report: {error}: the report could not be written", file=sys.stderr)
        return EX_UNAVAILABLE
    if not rows:
        print(f"loadtests-report: no operation was recorded in {study}: the answer is unknown", file=sys.stderr)
    print_path(page)
    return EX_OK if rows else EX_UNKNOWN


def report(study: Path, objectives: Path | None = None) -> tuple[Path, int]:
    """Make the report, replacing an older one; return its page and the number of rows that it covers."""
    asked = _objectives(objectives) if objectives is not None else None
    runs = _runs(study)
    found = differences(runs)
    if found:
        raise ReportError(EX_USAGE, "these runs cannot be compared:\n" + "\n".join(f"  {line}" for line in found))
    objectives_used = asked or _recorded([run.directory for run in runs])
    judged = _judge(study, objectives_used)
    limits_from = asked.source if asked else ""
    findings = find(study.resolve().name, runs, _limits_s(asked), limits_from, objectives_used)
    draft = Path(tempfile.mkdtemp(prefix=".report-", dir=study))
    try:
        with _temporary_directory(study):
            _write(findings, judged, draft)
        with contextlib.suppress(OSError):  # of no use on a file system without modes
            draft.chmod(readers.directory_mode())
        _swap(draft, study / "report")
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return study / "report" / "index.html", sum(s.rows for s in findings.storages)


@contextlib.contextmanager
def _temporary_directory(study: Path) -> Iterator[None]:
    """One in the study for the while, where the system has none that can be written; plots need one."""
    try:
        tempfile.gettempdir()
    except FileNotFoundError:
        with tempfile.TemporaryDirectory(prefix=".report-", dir=study, ignore_cleanup_errors=True) as own:
            tempfile.tempdir = own
            try:
                yield
            finally:
                tempfile.tempdir = None
    else:
        yield


def _runs(study: Path) -> list[StudyRun]:
    if study.exists() and not study.is_dir():
        raise ReportError(EX_USAGE, f"{study}: not a directory; expected a directory of runs")
    try:
        return read_study(study)
    except FileNotFoundError:
        message = f"{study}: no such study; expected a directory of runs"
        raise ReportError(EX_UNAVAILABLE, message) from None
    except NotAStudyError:
        raise ReportError(
            EX_USAGE, f"{study}: holds no run (NN-storage/); expected a study, not a run or its parent"
        ) from None


def _objectives(path: Path) -> Objectives:
    try:
        return load_objectives(path)
    except SourceError as error:
        raise ReportError(EX_USAGE, str(error)) from None


def _recorded(runs: Sequence[RunDirectory]) -> Objectives | None:
    """Those that the runs recorded. Ones that can no longer be read are a matter of the gate: the page shows no
    verdicts and no budgets then."""
    try:
        return recorded_objectives(runs)
    except SourceError:
        return None


def _limits_s(asked: Objectives | None) -> dict[str, float]:
    """In what time attempts are to end, by operation; the shortest, where objectives name an operation twice."""
    named = [(o.within_s, o.operation) for o in (asked.objectives if asked else ()) if o.within_s is not None]
    return {operation: within_s for within_s, operation in sorted(named, reverse=True)}


def _judge(study: Path, objectives: Objectives | None) -> tuple[Judgement, Objectives] | None:
    """The judgement that loadtests-gate makes, and the objectives by pod; None without objectives."""
    if objectives is None:
        return None
    storages = study_storages(study)
    objectives = with_pods(objectives, storages)
    return judge(objectives, read_evidence(storages, objectives.objectives)), objectives


def _write(findings: Findings, judged: tuple[Judgement, Objectives] | None, into: Path) -> None:
    from reports.page.plots.drawing import draw
    from reports.page.render import render
    from reports.sections import sections_of, summary_of
    from reports.sections.screen.composition import page_of
    from reports.sections.screen.hero import hero_plots

    first, sections = story(findings), sections_of(findings)
    plots = {name: plot for section in sections for name, plot in section.plots.items()}
    page = render(page_of(findings, first, judged, sections, draw(findings, plots, into, hero_plots())))
    document = json.dumps(summary(findings, first, summary_of), indent=2, allow_nan=False, ensure_ascii=False)
    texts = {
        "index.html": page,
        "summary.json": document + "\n",
        "summary.md": markdown(findings, first),
        "figures.csv": as_csv(figures(findings)),
    }
    for name, text in texts.items():  # a study's name may have bytes that are no text
        (into / name).write_text(text, encoding="utf-8", errors="backslashreplace")


def _remove(place: Path) -> None:
    """A directory with all that is in it; of a link the link alone."""
    if place.is_dir() and not place.is_symlink():
        shutil.rmtree(place)
    else:
        place.unlink()


def _swap(draft: Path, place: Path) -> None:
    """Puts the draft where the report belongs. What was there goes away whole, or comes back when that fails."""
    old = draft.with_name(f"{draft.name}-old")
    if os.path.lexists(place):
        try:
            place.rename(old)
        except OSError as error:
            if error.errno != errno.EXDEV:  # overlayfs renames no directory of a lower layer
                raise
            _remove(place)
    try:
        draft.rename(place)
    except OSError:
        if os.path.lexists(old):
            old.rename(place)
        raise
    with contextlib.suppress(OSError):
        _remove(old)


if __name__ == "__main__":
    sys.exit(main())
