"""manifest.json: what a run was, written when everything is ready and nothing has been sent yet."""

import hashlib
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from loadtests import storagenames
from loadtests.conductor.choices import Choices, Subject
from loadtests.conductor.host import harness, host, packages
from loadtests.conductor.layout import Layout
from loadtests.protocols import parse_protocol
from loadtests.records.tables import FORMAT
from loadtests.scenario import PodTarget, Scenario


@dataclass(frozen=True)
class RunClock:
    """Both clocks, read together. `monotonic_ns` is time 0 of the run's tables."""

    monotonic_ns: int
    realtime_ns: int

    @classmethod
    def now(cls) -> "RunClock":
        """The narrowest of a few readings, so that a pause between the two clocks does not become an offset."""
        readings = []
        for _ in range(5):
            before, real, after = time.monotonic_ns(), time.time_ns(), time.monotonic_ns()
            readings.append((after - before, cls((before + after) // 2, real)))
        return min(readings, key=lambda r: r[0])[1]

    def since_ns(self) -> int:
        """Nanoseconds since time 0."""
        return time.monotonic_ns() - self.monotonic_ns


@dataclass(frozen=True)
class RunIdentity:
    """Which run this is."""

    study: str
    run: str
    round: int
    subject: Subject
    rounds: int = 1
    """How many rounds the study was planned to have."""
    subjects: tuple[Subject, ...] = ()
    """What it was planned to compare; nothing: this subject alone."""


@dataclass(frozen=True)
class RunFacts:
    """What the components reported: `settings` are the storage's, as each pod read them back from its servers."""

    pods: tuple[PodTarget, ...]
    settings: Mapping[str, Mapping[str, Any]]
    layout: Layout
    observer: Mapping[str, Any]
    """Its ready line."""
    behind: tuple[str, ...] = ()
    """The databases behind a target that are watched."""
    remote_workers: tuple[Mapping[str, Any], ...] = ()
    servers: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """Database → what its private server takes, read back."""
    faults: tuple[Mapping[str, str], ...] = ()
    """Name and title of each that the pods have."""
    notes: tuple[str, ...] = ()
    """Sentences for people about what this run may lack."""


def manifest(identity: RunIdentity, choices: Choices, clock: RunClock, found: RunFacts) -> dict[str, Any]:
    """The document."""
    subject = identity.subject
    return {
        "format": FORMAT,
        "study": identity.study,
        "run": identity.run,
        "round": identity.round,
        "planned": {
            "rounds": identity.rounds,
            "storages": [planned.name for planned in identity.subjects or (subject,)],
        },
        "started_at": datetime.fromtimestamp(clock.realtime_ns / 1e9, UTC).isoformat(timespec="milliseconds"),
        **({"storage": subject.storage} if subject.storage else {}),
        **({"label": label} if (label := subject.label if subject.storage else subject.name) else {}),
        "scenario": {
            "name": choices.scenario.name,
            "sha256": hashlib.sha256(choices.scenario_text.encode()).hexdigest(),
        },
        "seed": choices.seed,
        "protocol": protocol(choices.protocol),
        "harness": harness(),
        "origin_ns": clock.monotonic_ns,
        "clock": asdict(clock),
        "target": {"owned": subject.target is None, "pods": pods(found)},
        "engine": engine(subject.storage, next(iter(found.settings.values()), {})) if subject.storage else None,
        **({"faults": [dict(fault) for fault in found.faults]} if found.faults else {}),
        "servers": {name: dict(limits) for name, limits in found.servers.items()},
        "host": host(),
        "notes": list(found.notes),
        "packages": packages(),
        "generator": {"processes": choices.generator.workers, "workers": list(found.remote_workers)},
        "database_offsets": found.observer.get("database_offsets", {}),
        "lock_sources": found.observer.get("lock_sources", {}),
        "stages": stages(choices.scenario),
        "timeline": planned_actions(choices.scenario),
    }


def protocol(text: str) -> dict[str, Any]:
    """The wire protocol with its options, and its operations without a reply of their own."""
    chosen = parse_protocol(text)
    return {"name": chosen.spec.name, "options": dict(chosen.options), "one_way": sorted(chosen.spec.one_way)}


def pods(found: RunFacts) -> list[dict[str, Any]]:
    """The pods, and which of the run's databases each one uses."""
    used = {pod.name: dict(pod.databases) for pod in found.layout.pods}
    behind = {name: name for name in found.behind}
    return [{**asdict(pod), "databases": used.get(pod.name) or behind} for pod in found.pods]


def planned_actions(scenario: Scenario) -> list[dict[str, Any]]:
    """What is to happen, when (s after the stage's beginning) and in words; what happened is in the timeline."""
    return [{"stage": a.stage, "after_s": a.after_s, "do": a.do, "words": a.words} for a in scenario.timeline]


def engine(storage: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    reported = dict(settings)
    name = reported.pop("engine", None) or str(storagenames.parse(storage).engine)
    return {
        "name": name,
        "version": reported.pop("version", None),
        "settings": reported,
        "promises": asdict(storagenames.promises(storage)),
    }


def stages(scenario: Scenario) -> list[dict[str, Any]]:
    """The planned stages, each with its start in seconds after the first one's."""
    return [
        {
            "name": stage.name,
            "starts_s": round(scenario.stage_starts_s(stage.name), 9),
            "duration_s": stage.duration_s,
            "agents": stage.agents,
            "arrivals_per_s": stage.arrivals_per_s,
            "judge": stage.judge,
        }
        for stage in scenario.stages
    ]
