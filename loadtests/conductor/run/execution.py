"""One run: server → pod → observer → load → ledger → end."""

import contextlib
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Final

from loadtests.conductor.choices import Choices
from loadtests.conductor.disk import Reserve, full_message, means_full
from loadtests.conductor.failures import COMPLETED, Reason, RunEnded
from loadtests.conductor.hosts.roster import Roster
from loadtests.conductor.leftovers import Claim
from loadtests.conductor.preflight.capacity import Host, doubts
from loadtests.conductor.progress import Progress
from loadtests.conductor.reaper import ProcessReaper
from loadtests.conductor.run.actions import RunActions
from loadtests.conductor.run.components import RunComponents
from loadtests.conductor.run.ending import Ending, checked, doubtful, end_document, lost_operations, stage_figures
from loadtests.conductor.run.gate_watch import GateWatch
from loadtests.conductor.run.live import LoadState
from loadtests.conductor.run.load_monitor import LoadMonitor, LoadResult, first_cause
from loadtests.conductor.run.local_errors import LocalErrors, process_errors, server_errors
from loadtests.conductor.run.locust import MasterProcess, OwnMaster, start_locust
from loadtests.conductor.run.manifest import RunFacts, RunIdentity, manifest
from loadtests.conductor.run.timeline_table import TimelineTable
from loadtests.conductor.target import require_target
from loadtests.conductor.watching import Interrupts, Lines, watching
from loadtests.joining import JOIN_TOKEN, TOKEN_SECRET
from loadtests.records.rundirectory import RunDirectory
from loadtests.sanitize import sanitize_value
from loadtests.scenario import PodTarget, RunPlan
from loadtests.scenario.completeness import StageFigures
from loadtests.servers.contract import ServerUnavailable

_LONGEST_LINE: Final = 10_000
_WORKERS_SAVE_WITHIN_S = 2.0
"""Workers whose master has died notice it and keep the rows that they have."""


@dataclass(frozen=True)
class StudyContext:
    """What every run of a study shares."""

    choices: Choices
    reaper: ProcessReaper
    interrupts: Interrupts
    progress: Progress
    gate: GateWatch | None = None
    """Ends the study when an objective fails; None: objectives are judged afterwards."""
    roster: Roster | None = None
    """Hosts whose workers make the load; None: it is made here."""


class Run:
    """One run and its directory, which must be there and empty."""

    def __init__(self, context: StudyContext, identity: RunIdentity, directory: RunDirectory) -> None:
        self.context, self.identity, self.directory = context, identity, directory
        self.scenario = context.choices.scenario
        self.components = RunComponents(
            directory,
            self.scenario,
            identity.subject,
            context.reaper,
            context.interrupts,
            context.choices.networks,
            context.choices.protocol,
        )
        self._timeline: TimelineTable | None = None
        self._actions: RunActions | None = None
        self._reserve: Reserve | None = None
        self._claim: Claim | None = None
        self._seen = LoadState()
        self._notes: list[str] = []
        self._stages: list[StageFigures] = []
        self._local_errors: dict[str, LocalErrors] = {}

    def execute(self) -> Reason:
        """Makes the run. In every case its components are gone and its end is written when this returns."""
        return self.finish(self._load())

    def _load(self) -> LoadResult:
        with self.ending_on_failure() as ended:
            self.prepare()
            if self.context.roster is not None:
                self.context.roster.gather(self.context.interrupts)  # one may have left since the run before
            pods = self.start_pods()
            return self._drive(pods)
        return ended()

    def _drive(self, pods: tuple[PodTarget, ...]) -> LoadResult:
        self.observe_and_declare(pods)
        log, generator, roster = self.components.log("locust"), self.context.choices.generator, self.context.roster
        plan = self.plan(pods)
        secrets = {TOKEN_SECRET: self.components.token_secret}
        if roster is not None:
            secrets[JOIN_TOKEN] = roster.release(plan.run)  # which workers from elsewhere prove
        child, lines = start_locust(plan, secrets, generator, log, self.context.reaper)
        try:
            self.components.watch("generator", "locust", child.pid)
            if self.context.gate is not None:
                self.components.watch("observer", "gate", self.context.gate.child.pid)
            return self.follow(OwnMaster(child, generator), lines)
        finally:
            if child.exit_code() is not None:
                child.outlive(_WORKERS_SAVE_WITHIN_S)
            child.kill()
            lines.close()
            if roster is not None:
                roster.listen()

    # The steps, in order; the conductor of an external master calls them one by one.

    def prepare(self) -> None:
        """Raises OSError when the directory cannot be written."""
        self._claim = Claim(self.directory.path)
        self._reserve = Reserve(self.directory.path)
        choices = self.context.choices
        (self.directory.path / "scenario.yaml").write_text(choices.scenario_text, encoding="utf-8")
        if choices.objectives_text is not None:
            (self.directory.path / "objectives.yaml").write_text(choices.objectives_text, encoding="utf-8")
        self._timeline = TimelineTable(self.directory)

    def start_pods(self) -> tuple[PodTarget, ...]:
        """The pods to load. Raises RunEnded."""
        if (target := self.identity.subject.target) is not None:
            reached = self.components.reach_target(target)
            for its in self.components.served:
                if its.pid is None:
                    self._note(f"no process was found to serve {its.place}: its processor time is not the run's")
            return (reached,)
        for doubt in doubts(self.context.choices, self.identity.subject, Host.here()):
            self._note(doubt)
        self.components.start_servers()
        for name, server in self.components.servers.items():
            for note in server.notes:
                self._note(f"the database server {name} {note}")
        self.components.start_calibration()
        if self.components.calibration is not None:  # one that fails is in its figures, and ends no run
            outcome = self.components.calibration.finish(self.context.interrupts, lambda _: None)
            self.context.progress.report(outcome.sentence)
        self.components.start_pods()
        return tuple(pod.target for pod in self.components.pods.values())

    def _note(self, sentence: str) -> None:
        """Shows a sentence now and keeps it for the manifest."""
        self._notes.append(sentence)
        self.context.progress.report(sentence)

    def plan(self, pods: tuple[PodTarget, ...]) -> RunPlan:
        return RunPlan(
            run=f"{self.identity.study}/{self.identity.run}",
            directory=str(self.directory.path),
            scenario=self.context.choices.scenario_text,
            storage=self.identity.subject.name,
            seed=self.context.choices.seed,
            origin_ns=self.components.clock.monotonic_ns,
            pods=pods,
            protocol=self.context.choices.protocol,
            own_pods=self.identity.subject.target is None,
        )

    def observe_and_declare(self, pods: tuple[PodTarget, ...]) -> None:
        """Starts the observer, then writes the manifest: nothing has been sent yet. Raises RunEnded, OSError."""
        settings = {name: dict(pod.settings) for name, pod in self.components.pods.items()}
        faults = tuple({fault["name"]: fault for pod in self.components.pods.values() for fault in pod.faults}.values())
        behind = tuple(self.components.databases) if self.identity.subject.target else ()
        servers = {name: server.limits for name, server in self.components.servers.items()}
        observer, layout, notes = self.components.start_observer(), self.components.layout, tuple(self._notes)
        self._found = RunFacts(pods, settings, layout, observer, behind, servers=servers, faults=faults, notes=notes)
        if self.context.choices.generator.expect_workers is None:
            self._declare(LoadState())

    def _declare(self, load: LoadState) -> None:
        """Writes the manifest. With workers on other hosts not before they have come and their clocks are known."""
        remote = tuple(w.remote for w in load.workers.values() if w.remote is not None)
        found = replace(self._found, remote_workers=remote)
        self._write("manifest", manifest(self.identity, self.context.choices, self.components.clock, found))

    def follow(self, master: MasterProcess, lines: Lines) -> LoadResult:
        assert self._timeline is not None
        if self.scenario.timeline:
            self._actions = RunActions(self.components, self._timeline, self.context.progress)
        with watching(self.context.interrupts) as watch:
            monitor = LoadMonitor(master, self.components, watch, self.context.progress, self._actions)
            self._seen = monitor.load
            if (gate := self.context.gate) is not None:
                watch.on_death(gate.child.pid, lambda: monitor.note_gate_ended(gate))
            if self.context.roster is not None:
                self.context.roster.watch(watch, monitor.note_lost_host)
            remote = self.context.choices.generator.expect_workers is not None
            return monitor.follow(lines, self._timeline, self._declare if remote else lambda _: None)

    def finish(self, result: LoadResult) -> Reason:
        """Actions, ledger, components, end.json: always in this order, also when one of the steps fails."""
        result = self._checked(self._with_target_gone(result))
        reason = result.reason
        steps = (
            *(self._end_actions, lambda: self._end_timeline(result), self._write_ledger, self._read_server_logs),
            *(self.components.stop, self._read_logs),
        )
        for step in steps:
            reason = self._attempt(step, reason)
        if self._reserve is not None:
            self._reserve.release()
        observed = self.components.observer is not None
        ending = Ending(reason, result.ended_ns, result.load, observed, self._stages, local_errors=self._local_errors)
        reason = self._attempt(lambda: self._write_end(ending), reason)
        if self._claim is not None:
            self._claim.release()
        return reason

    def _write_end(self, ending: Ending) -> None:
        document = end_document(ending, self.directory)
        self._write("end", document)
        for sentence in doubtful(document):
            self.context.progress.report(sentence)

    def _write(self, name: str, document: Mapping[str, Any]) -> None:
        """Writes a document; sanitized, because text of servers, pods and worker hosts is in it."""
        self.directory.write(name, sanitize_value(document, _LONGEST_LINE))

    def _read_server_logs(self) -> None:
        """Before the servers are destroyed, with their files."""
        self._local_errors |= server_errors(self.components.servers)

    def _read_logs(self) -> None:
        """Of components that log until they are stopped."""
        logs = {name: self.components.log(name) for name in self.components.pods}
        self._local_errors |= process_errors(logs, self.directory, observed=self.components.observer is not None)

    def _with_target_gone(self, result: LoadResult) -> LoadResult:
        """A target may go and come back under the load: its rows show that. One that is not there when the
        load ends was unavailable."""
        target = self.identity.subject.target
        if target is None or result.reason != COMPLETED:
            return result
        try:
            require_target(target.url, self.components.networks_of(target))
        except RunEnded as ended:
            if ended.reason.code == "target_unavailable":  # else this host could not find out, and the rows decide
                return replace(result, reason=ended.reason)
        return result

    def _checked(self, result: LoadResult) -> LoadResult:
        """A run is completed only when its load was all that was asked for."""
        reason = result.reason
        try:
            self._stages = stage_figures(result.load, self.scenario, self.context.choices.seed)
            if reason == COMPLETED:
                reason = checked(reason, self._stages, lost_operations(result.load, self.directory))
        except Exception as error:
            reason = reason if reason != COMPLETED else self._reason_of(error)
        return replace(result, reason=reason)

    def _end_actions(self) -> None:
        """Actions revert their effects before the ledger is read."""
        if self._actions is not None:
            self._actions.stop(self.context.interrupts)

    def _end_timeline(self, result: LoadResult) -> None:
        if self._timeline is not None:
            self._timeline.end(result.ended_ns, result.reason)

    def _write_ledger(self) -> None:
        """Reads what the storage holds now that the load has ended; skipped after a second interrupt."""
        if self.context.interrupts.count > 1 or not self.components.pods:
            return
        from loadtests.ledger import StoredDatabase, read_ledger  # with it come the drivers of databases

        dsns, layout = self.components.dsns(), self.components.layout
        databases = {n: StoredDatabase(s.engine, dsns[n], layout.side_of(n)) for n, s in layout.databases.items()}
        self._write("ledger", read_ledger(databases, self.directory, self.components.modes(), self.components.in_doubt))

    def _attempt(self, step: Callable[[], None], reason: Reason) -> Reason:
        """Runs a step of the end; returns the first reason that is not `completed`."""
        try:
            step()
        except Exception as error:
            found = self._reason_of(error)
            self.context.progress.report(f"at the end of the run: {found.detail}")
            return reason if reason.code != "completed" else found
        return reason

    @contextmanager
    def ending_on_failure(self) -> Iterator[Callable[[], LoadResult]]:
        """Turns an error that ends the run before its load into a result with what the load had reported by then."""
        failure: list[Reason] = []
        try:
            yield lambda: LoadResult(failure[0], self._seen, self.components.clock.since_ns())
        except RunEnded as ended:
            failure.append(first_cause(ended.reason, self.components.servers))
        except Exception as error:
            failure.append(self._reason_of(error))

    def _reason_of(self, error: Exception) -> Reason:
        if means_full(error):
            return Reason("disk_full", full_message(self.directory.path))
        if isinstance(error, ServerUnavailable):
            return Reason("database_died", str(error))
        with contextlib.suppress(OSError), self.components.log("conductor").open("a", encoding="utf-8") as log:
            traceback.print_exception(error, file=log)
        return Reason("internal", f"{type(error).__name__}: {error}")
