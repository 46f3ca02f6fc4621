"""OpenSLO text → objectives, with every problem at once."""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from loadtests.configuration.problems import Problem, SourceError
from loadtests.configuration.source import read_documents, read_source
from reports.data.objective import DEFAULT_MARGIN, Objective, Objectives
from reports.gate.slo.documents import ObjectivesFile
from reports.gate.slo.indicators import SLISpec
from reports.gate.slo.metadata import ANNOTATIONS, BY_POD, margin_of
from reports.gate.slo.openslo import SLO, OpenSloService, SloTarget

__all__ = ["Objective", "Objectives", "load_objectives", "parse_objectives"]
"""The first two for callers that parse, too."""


def load_objectives(path: Path) -> Objectives:
    """The objectives of a file. Raises SourceError with all problems at once."""
    return parse_objectives(read_source(path), str(path))


def parse_objectives(text: str, source: str) -> Objectives:
    """The objectives written in `text`; `source` names it in errors. Raises SourceError with all problems at once."""
    documents, problems = read_documents(text, source)
    file = ObjectivesFile()
    for document in documents:
        problems += file.add(document)
    problems += file.unresolved()
    if not file.of(SLO) and not problems:
        problems.append(Problem(source, 1, "", "no SLO", "at least one document of kind SLO"))
    if problems:
        raise SourceError(problems)
    annotations = [service.metadata.annotations for _, service in file.of(OpenSloService)]
    return Objectives(
        source,
        hashlib.sha256(text.encode()).hexdigest(),
        tuple(objective for _, slo in file.of(SLO) for objective in _objectives(file, slo)),
        allow_different_durability=_annotated(annotations, "loadtests/allow-different-durability") == "true",
        observer_required=_annotated(annotations, "loadtests/observer") == "required",
        ledger_required=_annotated(annotations, "loadtests/ledger") == "required",
    )


def _annotated(annotations: Sequence[dict[str, str]], key: str) -> str:
    return next((a[key] for a in annotations if key in a), ANNOTATIONS[key][0])


def _objectives(file: ObjectivesFile, slo: SLO) -> Iterator[Objective]:
    """One for each target of an SLO."""
    sli, alerts, margin = file.indicator(slo), file.alerts(slo), _margin(file, slo)
    if sli is None:
        return
    for target in slo.spec.objectives:
        within_s = target.within_s if sli.threshold_metric is not None else _ratio_within_s(sli)
        name = _name(slo, target, within_s)
        title = target.display_name or slo.metadata.display_name or slo.metadata.name
        asked = name, title, sli.operation, within_s, target.share, margin
        by_pod = slo.metadata.annotations.get(BY_POD) == "true"
        yield Objective(*asked, by_pod=by_pod, window_s=slo.spec.window_s, alerts=alerts)


def _ratio_within_s(sli: SLISpec) -> float | None:
    return sli.ratio_metric.within_s if sli.ratio_metric is not None else None


def _margin(file: ObjectivesFile, slo: SLO) -> float:
    """The SLO's own margin, else that of its Service, else the default."""
    services = [margin_of(service.metadata.annotations) for _, service in file.of(OpenSloService)]
    own = [margin_of(slo.metadata.annotations), *services]
    return next((margin for margin in own if margin is not None), DEFAULT_MARGIN)


def _name(slo: SLO, target: SloTarget, within_s: float | None) -> str:
    """That of the SLO; of several objectives with the target and the limit: `chat-accept 99.9 % in 2000 ms`."""
    if len(slo.spec.objectives) == 1:
        return slo.metadata.name
    within = "" if within_s is None else f" in {within_s * 1000:g} ms"
    return f"{slo.metadata.name} {target.share * 100:.10g} %{within}"
