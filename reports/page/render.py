"""A page → one HTML file that opens offline: no scripts, nothing fetched, all text escaped."""

import re
from base64 import b64encode
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from reports.page.parts import Page
from reports.page.terms import TermLinks, anchor
from reports.text.wording import one_line

_HERE = Path(__file__).parent


def render(page: Page) -> str:
    """Plot bodies and styles are trusted, all other text is escaped."""
    swatches = {system: f"swatch-{place}" for place, system in enumerate(page.colours)}
    style = (_HERE / "page.css").read_text(encoding="utf-8") + page.style + _rules(page, swatches)
    environment = _environment(page, swatches)
    return environment.get_template("page.html.j2").render(page=page, style=_Trusted(style), style_hash=_hash(style))


def _environment(page: Page, swatches: Mapping[str, str]) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_HERE),
        autoescape=True,
        finalize=_legible,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    links = TermLinks(page.terms)
    environment.filters["breakable"] = _breakable
    environment.filters["linked"] = lambda text: links.link(_legible(text))
    environment.filters["anchor"] = anchor
    environment.filters["swatch"] = lambda system: swatches.get(system, "")
    environment.globals["begin_links"] = links.begin
    return environment


def _rules(page: Page, swatches: Mapping[str, str]) -> str:
    """Colours of the systems, and the boxes that hide the lines of the first plot."""
    rules = [f".{swatches[system]}{{background:{colour}}}" for system, colour in page.colours.items()]
    if page.first.verdicts:  # on a narrow screen each row of them is a column
        rules.append(f".verdicts{{grid-template-rows:repeat({len(page.first.verdicts[0].marks) + 1},auto)}}")
    hero = page.first.hero
    rules += [
        f".hero:has(.hide-{place}:not(:checked)) .series-{place}{{display:none}}"
        for place, _ in enumerate(hero.series if hero else ())
    ]
    return "".join(rules)


class _Trusted(str):
    """Our own CSS: contains no foreign text, and must match its hash byte for byte."""

    __slots__ = ()

    def __html__(self) -> str:
        return str(self)


def _legible(value: Any) -> Any:
    """Text without control and direction marks; trusted markup is unchanged."""
    if not isinstance(value, str) or hasattr(value, "__html__"):
        return value
    return "\n".join(one_line(line) for line in value.split("\n"))


def _breakable(name: str) -> Markup:
    """A name, which may break after its commas, dots and colons."""
    return Markup("<wbr>").join(escape(part) for part in re.split(r"(?<=[,.:])(?=\S)", str(_legible(name))))


def _hash(style: str) -> str:
    return b64encode(sha256(style.encode()).digest()).decode()
