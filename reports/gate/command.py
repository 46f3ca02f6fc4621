"""`loadtests-gate STUDY [--objectives FILE] [--baseline STORAGE --candidate STORAGE]`."""

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from loadtests.commandline import EX_OK, EX_UNAVAILABLE, EX_USAGE, Parser, exit_code_of, file_path, positive
from loadtests.configuration.problems import SourceError, nearest, shown
from loadtests.credentials import without_credentials
from loadtests.records.documents import replace_text
from loadtests.records.files import UnreadableError
from loadtests.records.rundirectory import RunDirectory
from loadtests.sanitize import sanitize_lines
from loadtests.scenario.finding import find_scenario, read_scenario
from loadtests.standardstreams import secure
from reports.gate.inputs.reading import read_evidence, state, study_storages, with_pods
from reports.gate.judging.judge import judge
from reports.gate.judging.verdicts import EXIT_CODES, Comparison
from reports.gate.outputs.as_json import as_document
from reports.gate.outputs.junit import as_junit
from reports.gate.outputs.markdown import as_markdown
from reports.gate.planning.plan import plan, with_pods_of
from reports.gate.planning.table import as_table
from reports.gate.slo.chosen import NoObjectivesError, objectives_of, objectives_of_scenario
from reports.gate.slo.objectives import Objectives, load_objectives
from reports.gate.watching import Watch

_DESCRIPTION = """\
Judges a study by objectives. Writes STUDY/verdict.json and STUDY/verdict.xml (JUnit), prints Markdown.
Without --candidate every storage of the study has to pass; with it, the candidate decides and the baseline is shown.
"""
_EPILOG = """\
exit codes: 0 pass, 1 fail, 2 unknown, 64 bad input, 69 study not there, 70 a fault of the harness, 130 interrupted"""


class _RefusedError(Exception):
    """The command ends before anything was judged."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(without_credentials(message))
        self.code = code


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit code. Raises SystemExit for bad arguments and for --help."""
    secure("loadtests-gate")
    options = build_parser().parse_args(arguments)
    return exit_code_of("loadtests-gate", lambda: _judged(options))


def _judged(options: argparse.Namespace) -> int:
    try:
        _check_options(options)
        if options.plan is not None:
            return _plan(options)
        return _watch(options) if options.watch else _gate(options)
    except _RefusedError as refused:
        print(sanitize_lines(str(refused)), file=sys.stderr)
        return refused.code


def build_parser() -> Parser:
    parser = Parser("loadtests-gate", description=_DESCRIPTION, epilog=_EPILOG, allow_abbrev=False)
    parser.add_argument("study", nargs="?", type=file_path, metavar="STUDY", help="the directory of a study")
    parser.add_argument(
        "--objectives",
        type=file_path,
        metavar="FILE",
        help="OpenSLO v1 (docs/objectives.md); default: those of the study's scenario, or else the shipped ones",
    )
    parser.add_argument("--baseline", metavar="STORAGE", help="the storage system to compare with")
    parser.add_argument("--candidate", metavar="STORAGE", help="the storage system that is to be released")
    parser.add_argument(
        "--watch",
        action="store_true",
        help="follow a study that is being made: exit as soon as an objective fails, or all have passed",
    )
    plan = parser.add_argument_group("before a run, without STUDY")
    plan.add_argument(
        "--plan",
        metavar="SCENARIO",
        help="print how many attempts, rounds and minutes of this scenario decide each objective, and whether any do",
    )
    plan.add_argument("--rounds", metavar="N", type=positive, help="rounds to be made (default: the scenario's)")
    plan.add_argument(
        "--study", metavar="DIR", dest="earlier", type=file_path, help="an earlier study: how correlated attempts are"
    )
    return parser


def _check_options(options: argparse.Namespace) -> None:
    """Refuse options that have no effect."""
    of_studies = {"STUDY": options.study, "--watch": options.watch, "--baseline": options.baseline}
    of_studies["--candidate"] = options.candidate
    of_plans = {"--rounds": options.rounds, "--study": options.earlier}
    if options.plan is None and options.study is None:
        raise _RefusedError(EX_USAGE, "expected STUDY, or --plan SCENARIO")
    unused = [name for name, given in (of_plans if options.plan is None else of_studies).items() if given]
    if unused:
        other = "without" if options.plan is None else "with"
        raise _RefusedError(EX_USAGE, f"{', '.join(unused)}: not used {other} --plan; leave it out")


def _plan(options: argparse.Namespace) -> int:
    """Reads a scenario, objectives and, if there is one, an earlier study. Writes nothing."""
    try:
        given = None if options.objectives is None else load_objectives(options.objectives)
        path = find_scenario(options.plan)
        scenario, _ = read_scenario(path)
        objectives = given or objectives_of_scenario(scenario, path)
    except SourceError as error:
        raise _RefusedError(EX_USAGE, str(error)) from None
    earlier = None
    if options.earlier is not None:
        earlier = read_evidence(_storages(options.earlier), with_pods_of(scenario, objectives.objectives))
    print(as_table(plan(scenario, objectives.objectives, options.rounds or scenario.rounds, earlier)), flush=True)
    return EX_OK


def _gate(options: argparse.Namespace) -> int:
    """Check all input before reading data. An earlier verdict is removed in any case."""
    outputs = [options.study / name for name in ("verdict.json", "verdict.xml")]
    if options.study.is_dir():
        _clear(outputs)
    if options.objectives is not None:
        objectives = _objectives(lambda: load_objectives(options.objectives))  # its problems before the study's
    storages = _storages(options.study)
    if options.objectives is None:
        runs = sorted((run for run_list in storages.values() for run in run_list), key=lambda run: run.number)
        objectives = _objectives(lambda: objectives_of(runs))
    comparison = _comparison(options, storages)
    chosen = storages if comparison is None else {s: storages[s] for s in vars(comparison).values()}
    objectives = with_pods(objectives, chosen)
    before = state(options.study)
    judgement = judge(objectives, read_evidence(chosen, objectives.objectives), comparison)
    _refuse_changed(options.study, before)
    study = options.study.resolve().name
    document = json.dumps(as_document(judgement, objectives, study), indent=2, allow_nan=False, ensure_ascii=False)
    _write(dict(zip(outputs, (f"{document}\n", as_junit(judgement, study)), strict=True)))
    print(as_markdown(judgement, objectives, study), flush=True)
    return EXIT_CODES[judgement.overall]


def _watch(options: argparse.Namespace) -> int:
    """Writes no verdict: ledger and soundness are judged when the study has ended."""
    if options.baseline or options.candidate:
        raise _RefusedError(EX_USAGE, "--watch judges objectives only: leave --baseline and --candidate out")
    given = _objectives(lambda: load_objectives(options.objectives)) if options.objectives is not None else None

    def choose(storages: Mapping[str, Sequence[RunDirectory]]) -> Objectives:
        runs = [run for of in storages.values() for run in of]
        return with_pods(given or _objectives(lambda: objectives_of(runs)), storages)

    _storages(options.study)
    try:
        found = Watch(options.study, choose, lambda sentence: print(sanitize_lines(sentence), flush=True)).follow()
    except UnreadableError as error:
        raise _RefusedError(EX_UNAVAILABLE, f"{options.study}: {error}") from None
    print("when the study has ended, judge all of it, its ledger and its soundness too: loadtests-gate STUDY")
    why = "; ".join(found.sentences) or "the study has ended, and its attempts decide neither for nor against it"
    print(sanitize_lines(f"{found.verdict.value.upper()} so far: {why}"), flush=True)
    return EXIT_CODES[found.verdict]


def _objectives(read: Callable[[], Objectives]) -> Objectives:
    try:
        return read()
    except (SourceError, NoObjectivesError) as error:
        raise _RefusedError(EX_USAGE, str(error)) from None


def _storages(study: Path) -> Mapping[str, list[RunDirectory]]:
    try:
        return study_storages(study)
    except UnreadableError as error:
        raise _RefusedError(EX_USAGE, f"{study}: {error}") from None
    except FileNotFoundError:
        raise _RefusedError(EX_UNAVAILABLE, f"{study}: no such study; expected a directory of runs") from None
    except OSError as error:
        raise _RefusedError(EX_UNAVAILABLE, f"{study}: cannot be read: {error.strerror}") from None


def _refuse_changed(study: Path, before: Mapping[str, object]) -> None:
    """Refuse a study that changed while it was read: the evidence may mix several states."""
    after = state(study)
    changed = sorted(run for run in before.keys() | after.keys() if before.get(run) != after.get(run))
    if changed:
        raise _RefusedError(
            EX_UNAVAILABLE,
            f"{study}: {', '.join(changed)} changed while the study was judged; wait until its runs have ended",
        )


def _comparison(options: argparse.Namespace, storages: Iterable[str]) -> Comparison | None:
    named = {"--baseline": options.baseline, "--candidate": options.candidate}
    if not any(named.values()):
        return None
    if options.baseline == options.candidate or not all(named.values()):
        raise _RefusedError(EX_USAGE, "expected --baseline and --candidate together, and two different storage systems")
    for option, storage in named.items():
        if storage not in storages:
            near = nearest(storage, storages)
            hint = f"; did you mean {near}?" if near else ""
            known = ", ".join(storages) or "none"
            raise _RefusedError(EX_USAGE, f"{option}: got {shown(storage)}, expected one of the study's: {known}{hint}")
    return Comparison(options.baseline, options.candidate)


def _clear(outputs: Iterable[Path]) -> None:
    """Remove the verdicts of an earlier judgement, and check that new ones can be written."""
    for path in outputs:
        try:
            path.unlink(missing_ok=True)
            replace_text(path, "")
            path.unlink()
        except OSError as error:
            raise _RefusedError(EX_UNAVAILABLE, f"{path}: cannot be written: {error.strerror}") from None


def _write(texts: Mapping[Path, str]) -> None:
    """Writes all the files or none."""
    for path, text in texts.items():
        try:
            replace_text(path, text)
        except OSError as error:
            for written in texts:
                written.unlink(missing_ok=True)
            raise _RefusedError(EX_UNAVAILABLE, f"{path}: cannot be written: {error.strerror}") from None
