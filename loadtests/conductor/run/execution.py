"""One run: server → pod → observer → load → ledger → end."""

import contextlib
import os
import signal
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Final

from loadtests.conductor.choices import Choices, Generator, Target
from loadtests.conductor.disk import Reserve, full_message, means_full
from loadtests.conductor.failures import COMPLETED, Reason, RunEnded
from loadtests.conductor.hosts.roster import Roster
from loadtests.conductor.layout import layout
from loadtests.conductor.leftovers import Claim
from loadtests.conductor.preflight.capacity import Host, doubts
from loadtests.conductor.processes import Child
from loadtests.conductor.progress import Progress
from loadtests.conductor.reaper import Guardian
from loadtests.conductor.run.actions import RunActions
from loadtests.conductor.run.components import Parts
from loadtests.conductor.run.ending import Ending, doubtful, end_document, lost_operations
from loadtests.conductor.run.live import Load
from loadtests.conductor.run.load_check import checked, stage_figures
from loadtests.conductor.run.load_monitor import Engine, Followed, Follower, first_cause
from loadtests.conductor.run.local_errors import LocalErrors, of_control_group, of_observer, of_pod, of_server
from loadtests.conductor.run.local_servers import served_here
from loadtests.conductor.run.locust import Secrets, start_locust
from loadtests.conductor.run.manifest import Clock, Found, Identity, manifest
from loadtests.conductor.run.timeline_table import Timeline
from loadtests.conductor.target import address_of, require_target
from loadtests.conductor.watching import Interrupts, Lines, watching
from loadtests.joining import TOKEN_SECRET
from loadtests.records.rundirectory import RunDirectory
from loadtests.sanitize import sanitize_value
from loadtests.scenario import PodTarget, RunPlan
from loadtests.scenario.completeness import StageFigures
from loadtests.servers.errors import ServerUnavailable

_LONGEST_LINE: Final = 10_000
_WORKERS_SAVE_WITHIN_S = 2.0
"""Workers whose master has died notice it and keep the rows that they have."""


@dataclass(frozen=True)
class Around:
    """What every run of a study shares."""

    choices: Choices
    guardian: Guardian
    interrupts: Interrupts
    progress: Progress
    roster: Roster | None = None
    """Hosts whose workers make the load; None: it is made here."""


class OwnLocust:
    """The Locust master that this run started."""

    attended = False

    def __init__(self, child: Child, generator: Generator) -> None:
        self._child = child
        # Workers on other hosts have to be told to end; those here are killed, which saves seconds a run.
        self.takes_leave = generator.expect_workers is not None

    @property
    def pid(self) -> int:
        return self._child.pid

    def ask_to_stop(self, reason: Reason) -> None:  # noqa: ARG002  it does not matter to Locust
        # Not SIGTERM: Locust listens to that one only after a load with stages has ended.
        self._child.send(signal.SIGINT)

    def kill(self) -> None:
        self._child.kill()

    def obituary(self) -> str:
        return self._child.obituary()

    def last_words(self) -> str:
        return self._child.last_words()


class Run:
    """One run and its directory, which must be there and empty."""

    def __init__(self, around: Around, identity: Identity, directory: RunDirectory) -> None:
        self.around, self.identity, self.directory = around, identity, directory
        self.scenario = around.choices.scenario
        self.parts = Parts(
            directory,
            Clock.now(),
            self.scenario,
            identity.subject,
            around.guardian,
            around.interrupts,
            around.choices.networks,
        )
        self._timeline: Timeline | None = None
        self._actions: RunActions | None = None
        self._reserve: Reserve | None = None
        self._claim: Claim | None = None
        self._seen = Load()
        self._notes: list[str] = []
        self._stages: list[StageFigures] = []
        self._local_errors: dict[str, LocalErrors] = {}

    def execute(self) -> Reason:
        """Makes the run. Whatever happens, its parts are gone and its end is written when this returns."""
        return self.finish(self._load())

    def _load(self) -> Followed:
        with self.ending_on_failure() as ended:
            self.prepare()
            if self.around.roster is not None:
                self.around.roster.gather(self.around.interrupts)  # one may have left since the run before
            pods = self.start_pods()
            return self._drive(pods)
        return ended()

    def _drive(self, pods: tuple[PodTarget, ...]) -> Followed:
        self.observe_and_declare(pods)
        log, generator, roster = self.parts.log("locust"), self.around.choices.generator, self.around.roster
        plan = self.plan(pods)
        secrets = Secrets(self.parts.token_secret, roster.release(plan.run) if roster is not None else "")
        child, lines = start_locust(plan, secrets, generator, log, self.around.guardian)
        try:
            self.parts.watch("generator", "locust", child.pid)
            return self.follow(OwnLocust(child, generator), lines)
        finally:
            if child.exit_code() is not None:
                child.outlive(_WORKERS_SAVE_WITHIN_S)
            child.kill()
            lines.close()
            if roster is not None:
                roster.listen()

    # The steps, in order; an attending conductor takes them one by one.

    def prepare(self) -> None:
        """Raises OSError when the directory cannot be written."""
        self._claim = Claim(self.directory.path)
        self._reserve = Reserve(self.directory.path)
        choices = self.around.choices
        (self.directory.path / "scenario.yaml").write_text(choices.scenario_text, encoding="utf-8")
        if choices.objectives_text is not None:
            (self.directory.path / "objectives.yaml").write_text(choices.objectives_text, encoding="utf-8")
        self._timeline = Timeline(self.directory)

    def start_pods(self) -> tuple[PodTarget, ...]:
        """The pods to load. Raises RunEnded."""
        if (target := self.identity.subject.target) is not None:
            self.parts.token_secret = os.environ[TOKEN_SECRET]
            networks = self._networks(target)
            require_target(target.url, networks)  # an earlier run of the study may have been its end
            (pod,) = layout(self.scenario, None).pods
            self.parts.served = served_here(target, pod.name, self.parts.dsns())
            for its in self.parts.served:
                if its.pid is None:
                    self._note(f"no process was found to serve {its.place}: its processor time is not the run's")
            return (PodTarget(pod.name, target.url, pod.accounts, pod.weight, networks),)
        for doubt in doubts(self.around.choices, self.identity.subject, Host.here()):
            self._note(doubt)
        self.parts.start_servers()
        for name, server in self.parts.servers.items():
            for note in server.notes:
                self._note(f"the database server {name} {note}")
        self.parts.start_calibration()
        self._calibrated()
        self.parts.start_pods()
        return tuple(pod.target for pod in self.parts.pods.values())

    def _networks(self, target: Target) -> tuple[str, ...]:
        return self.around.choices.networks.get(address_of(target.url)[0], ())

    def _note(self, sentence: str) -> None:
        """Shows a sentence now and keeps it for the manifest."""
        self._notes.append(sentence)
        self.around.progress.say(sentence)

    def _calibrated(self) -> None:
        """A calibration that failed ends no run: lock waits are no evidence then, which its figures say."""
        if self.parts.calibration is not None:
            outcome = self.parts.calibration.finish(self.around.interrupts, lambda _: None)
            self.around.progress.say(outcome.sentence)

    def plan(self, pods: tuple[PodTarget, ...]) -> RunPlan:
        return RunPlan(
            run=f"{self.identity.study}/{self.identity.run}",
            directory=str(self.directory.path),
            scenario=self.around.choices.scenario_text,
            storage=self.identity.subject.name,
            seed=self.around.choices.seed,
            origin_ns=self.parts.clock.monotonic_ns,
            pods=pods,
            own_pods=self.identity.subject.target is None,
        )

    def observe_and_declare(self, pods: tuple[PodTarget, ...]) -> None:
        """Starts the observer, then writes the manifest: nothing has been sent yet. Raises RunEnded, OSError."""
        settings = {name: dict(pod.settings) for name, pod in self.parts.pods.items()}
        behind = tuple(self.parts.databases) if self.identity.subject.target else ()
        self._found = Found(
            pods,
            settings,
            self.parts.layout,
            self.parts.start_observer(),
            behind,
            servers={name: server.limits for name, server in self.parts.servers.items()},
            notes=tuple(self._notes),
        )
        if self.around.choices.generator.expect_workers is None:
            self._declare(Load())

    def _declare(self, load: Load) -> None:
        """Writes the manifest. With workers on other hosts not before they have come and their clocks are known."""
        remote = tuple(w.remote for w in load.workers.values() if w.remote is not None)
        found = replace(self._found, remote_workers=remote)
        self._write("manifest", manifest(self.identity, self.around.choices, self.parts.clock, found))

    def _begun(self, load: Load) -> None:
        if self.around.choices.generator.expect_workers is not None:
            self._declare(load)

    def follow(self, engine: Engine, lines: Lines) -> Followed:
        assert self._timeline is not None
        if self.scenario.timeline:
            self._actions = RunActions(self.parts, self._timeline, self.around.progress, self.around.choices.networks)
        with watching(self.around.interrupts) as watch:
            follower = Follower(engine, self.parts, watch, self.around.progress, self._actions)
            self._seen = follower.load
            if self.around.roster is not None:
                self.around.roster.watch(watch, follower.note_lost_host)
            return follower.follow(lines, self._timeline, self._begun)

    def finish(self, followed: Followed) -> Reason:
        """Actions, ledger, parts, end.json: always in this order, and the next one also when one fails."""
        followed = self._checked(self._with_target_gone(followed))
        reason = followed.reason
        steps = (
            *(self._end_actions, self._close_timeline(followed), self._write_ledger, self._read_server_logs),
            *(self.parts.stop, self._read_logs),
        )
        for step in steps:
            reason = self._attempt(step, reason)
        if self._reserve is not None:
            self._reserve.release()
        observed = self.parts.observer is not None
        ending = Ending(
            reason, followed.ended_ns, followed.load, observed, self._stages, local_errors=self._local_errors
        )
        reason = self._attempt(lambda: self._write_end(ending), reason)
        if self._claim is not None:
            self._claim.release()
        return reason

    def _write_end(self, ending: Ending) -> None:
        document = end_document(ending, self.directory)
        self._write("end", document)
        for sentence in doubtful(document):
            self.around.progress.say(sentence)

    def _write(self, name: str, document: Mapping[str, Any]) -> None:
        """Writes a document; what servers, pods and worker hosts sent is in it as they sent it."""
        self.directory.write(name, sanitize_value(document, _LONGEST_LINE))

    def _read_server_logs(self) -> None:
        """While they are there: a server's files go with it."""
        for name, server in self.parts.servers.items():
            self._local_errors[f"database {name}"] = of_server(server.directory / "log")

    def _read_logs(self) -> None:
        """Of those that write their last lines when they are stopped."""
        for name in self.parts.pods:
            self._local_errors[f"pod {name}"] = of_pod(self.parts.log(name))
        if self.parts.observer is not None:
            self._local_errors["observer"] = of_observer(self.directory)
            self._local_errors["control group"] = of_control_group(self.directory)

    def _with_target_gone(self, followed: Followed) -> Followed:
        """A target may go and come back under the load: that is what its rows tell. One that is not there when the
        load ends was unavailable."""
        target = self.identity.subject.target
        if target is None or followed.reason != COMPLETED:
            return followed
        try:
            require_target(target.url, self._networks(target))
        except RunEnded as ended:
            if ended.reason.code == "target_unavailable":  # else this host could not find out, and the rows tell
                return replace(followed, reason=ended.reason)
        return followed

    def _checked(self, followed: Followed) -> Followed:
        """A run is completed only when its load was all that was asked for."""
        reason = followed.reason
        try:
            self._stages = stage_figures(followed.load, self.scenario, self.around.choices.seed)
            if reason == COMPLETED:
                reason = checked(reason, self._stages, lost_operations(followed.load, self.directory))
        except Exception as error:
            reason = reason if reason != COMPLETED else self._reason_of(error)
        return replace(followed, reason=reason)

    def _end_actions(self) -> None:
        """What the timeline broke is mended before anybody looks at what is left."""
        if self._actions is not None:
            self._actions.stop(self.around.interrupts)

    def _close_timeline(self, followed: Followed) -> Callable[[], None]:
        def close() -> None:
            if self._timeline is not None:
                try:
                    self._timeline.end(followed.ended_ns, followed.reason)
                finally:
                    self._timeline.close()

        return close

    def _write_ledger(self) -> None:
        """The pods are quiet now. A killed harness or a full disk has no time for it."""
        if self.around.interrupts.count > 1 or not self.parts.pods:
            return
        from loadtests.ledger import Database, read_ledger  # with it come the drivers of databases

        dsns, layout = self.parts.dsns(), self.parts.layout
        databases = {n: Database(s.engine, dsns[n], layout.side_of(n)) for n, s in layout.databases.items()}
        self._write("ledger", read_ledger(databases, self.directory, self.parts.modes(), self.parts.in_doubt))

    def _attempt(self, step: Callable[[], None], reason: Reason) -> Reason:
        """Takes a step of the end; the reason stays the first one that was not `completed`."""
        try:
            step()
        except Exception as error:
            found = self._reason_of(error)
            self.around.progress.say(f"at the end of the run: {found.detail}")
            return reason if reason.code != "completed" else found
        return reason

    @contextmanager
    def ending_on_failure(self) -> Iterator[Callable[[], Followed]]:
        """Turns what ends a run before its load does into how it ended; what the load had told by then counts."""
        failure: list[Reason] = []
        try:
            yield lambda: Followed(failure[0], self._seen, self.parts.clock.since_ns())
        except RunEnded as ended:
            failure.append(first_cause(ended.reason, self.parts.servers))
        except Exception as error:
            failure.append(self._reason_of(error))

    def _reason_of(self, error: Exception) -> Reason:
        if means_full(error):
            return Reason("disk_full", full_message(self.directory.path))
        if isinstance(error, ServerUnavailable):
            return Reason("database_died", str(error))
        with contextlib.suppress(OSError), self.parts.log("conductor").open("a", encoding="utf-8") as log:
            traceback.print_exception(error, file=log)
        return Reason("internal", f"{type(error).__name__}: {error}")
