"""OpenSLO text → objectives, with every problem at once."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from loadtests.configuration.problems import Problem, SourceError, nearest, one_of, shown
from loadtests.configuration.source import Document, read_documents, read_source
from loadtests.configuration.validation import validate
from reports.gate.slo.openslo import ANNOTATIONS, DEFAULT_MARGIN, KINDS, SLI, SLO, OpenSloService, SLISpec, margin_of


@dataclass(frozen=True)
class Objective:
    """At least the share `target` of the operation's attempts ends ok within `within_s` of its planned moment."""

    name: str
    title: str
    operation: str
    within_s: float
    target: float
    margin: float = DEFAULT_MARGIN
    """By how much of the error budget, 1 - `target`, a candidate may be worse than its baseline."""

    def __str__(self) -> str:
        return f"{self.operation} within {self.within_s * 1000:g} ms"


@dataclass(frozen=True)
class Objectives:
    """The objectives of a file. `sha256` is that of the file, so that a verdict identifies its objectives."""

    source: str
    sha256: str
    objectives: tuple[Objective, ...]
    allow_different_durability: bool = False
    observer_required: bool = True
    ledger_required: bool = True


def load_objectives(path: Path) -> Objectives:
    """The objectives of a file. Raises SourceError with all problems at once."""
    return parse_objectives(read_source(path), str(path))


def parse_objectives(text: str, source: str) -> Objectives:
    """The objectives written in `text`; `source` names it in errors. Raises SourceError with all problems at once."""
    documents, problems = read_documents(text, source)
    file = _File()
    for document in documents:
        problems += file.add(document)
    problems += file.unresolved()
    if not file.slos and not problems:
        problems.append(Problem(source, 1, "", "no SLO", "at least one document of kind SLO"))
    if problems:
        raise SourceError(problems)
    annotations = [document.metadata.annotations for _, document in file.services]
    return Objectives(
        source,
        hashlib.sha256(text.encode()).hexdigest(),
        tuple(file.objectives()),
        allow_different_durability=_annotated(annotations, "loadtests/allow-different-durability") == "true",
        observer_required=_annotated(annotations, "loadtests/observer") == "required",
        ledger_required=_annotated(annotations, "loadtests/ledger") == "required",
    )


def _annotated(annotations: Sequence[dict[str, str]], key: str) -> str:
    return next((a[key] for a in annotations if key in a), ANNOTATIONS[key][0])


class _File:
    """The documents of one file by kind, each with its place."""

    def __init__(self) -> None:
        self.slos: list[tuple[Document, SLO]] = []
        self.slis: list[tuple[Document, SLI]] = []
        self.services: list[tuple[Document, OpenSloService]] = []

    def add(self, document: Document) -> list[Problem]:
        """Add a document; return its problems."""
        if not isinstance(document.data, dict):
            return [document.problem((), shown(document.data), "an OpenSLO document: a mapping of keys to values")]
        kind = document.data.get("kind")
        if not isinstance(kind, str) or kind not in KINDS:
            names = list(KINDS)
            return [document.problem(("kind",), shown(kind), one_of(names), nearest(kind, names))]
        parsed, problems = validate(document, KINDS[kind])
        match parsed:
            case SLO():
                self.slos.append((document, parsed))
            case SLI():
                self.slis.append((document, parsed))
            case OpenSloService():
                self.services.append((document, parsed))
        return problems

    def unresolved(self) -> Iterator[Problem]:
        """Names that are given twice, or refer to nothing."""
        for documents in (self.slos, self.slis, self.services):
            yield from _duplicates(documents)
        for document, _ in self.services[1:]:
            yield document.problem(("kind",), "a second Service", "one Service a file")
        slis, services = [s.metadata.name for _, s in self.slis], [s.metadata.name for _, s in self.services]
        for document, slo in self.slos:
            ref, service = slo.spec.indicator_ref, slo.spec.service
            if ref is not None and ref not in slis:
                expected = f"the name of an SLI in this file ({', '.join(slis) or 'there is none'})"
                yield document.problem(("spec", "indicatorRef"), shown(ref), expected, nearest(ref, slis))
            if services and service not in services:
                yield document.problem(
                    ("spec", "service"), shown(service), one_of(services), nearest(service, services)
                )

    def objectives(self) -> Iterator[Objective]:
        slis = {sli.metadata.name: sli.spec for _, sli in self.slis}
        margins = [margin_of(service.metadata.annotations) for _, service in self.services]
        default = next((m for m in margins if m is not None), DEFAULT_MARGIN)
        for _, slo in self.slos:
            inline, ref = slo.spec.indicator, slo.spec.indicator_ref
            yield _objective(slo, inline.spec if inline is not None else slis[ref or ""], default)


def _objective(slo: SLO, sli: SLISpec, default_margin: float) -> Objective:
    good = sli.ratio_metric.good.metric_source.spec
    name, title = slo.metadata.name, slo.metadata.display_name or slo.metadata.name
    own = margin_of(slo.metadata.annotations)
    margin = default_margin if own is None else own
    return Objective(name, title, good.operation, good.within_s, slo.spec.objectives[0].target, margin)


def _duplicates(documents: Sequence[tuple[Document, SLO | SLI | OpenSloService]]) -> Iterator[Problem]:
    first: dict[str, int] = {}
    for document, parsed in documents:
        place, name = ("metadata", "name"), parsed.metadata.name
        line = document.line(place)
        if first.setdefault(name, line) != line:
            yield document.problem(place, shown(name), f"a name of its own (line {first[name]} has it)")
