"""Figures → files: PNG and SVG in light, and the SVG once more with colours that follow the page's theme."""

import io
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from reports.findings.study import Findings
from reports.page.parts import Drawn
from reports.page.plots.style import SeriesStyle, inks, storage_styles, styled

Plot = Callable[[Findings, dict[str, SeriesStyle]], Figure]


class CssClasses:
    """Style attributes gathered from all plots as classes, so that a page can forbid inline styles."""

    def __init__(self) -> None:
        self._classes: dict[str, str] = {}

    def class_of(self, style: str) -> str:
        return self._classes.setdefault(style, f"p{len(self._classes)}")

    def rules(self) -> str:
        rules = "".join(f".{name}{{{style}}}\n" for style, name in self._classes.items())
        light = "".join(f"{variable}:{colour};" for colour, (variable, _) in inks().items())
        dark = "".join(f"{variable}:{colour};" for variable, colour in inks().values())
        return f":root{{{light}}}\n@media screen and (prefers-color-scheme:dark){{:root{{{dark}}}}}\n{rules}"


def draw(
    findings: Findings, plots: Mapping[str, Plot], into: Path, page_only: Mapping[str, Plot] = MappingProxyType({})
) -> tuple[list[Drawn], str]:
    """Write `NAME.png` and `NAME.svg` of every plot; return them and those `page_only` for the page, with the CSS that
    they need."""
    series = storage_styles([s.storage for s in findings.storages])
    css = CssClasses()
    with styled():
        drawn = [_draw(name, make(findings, series), into, css) for name, make in plots.items()]
        drawn += [embedded(name, _as_svg(make(findings, series)), css) for name, make in page_only.items()]
    return drawn, css.rules()


def _draw(name: str, figure: Figure, into: Path, css: CssClasses) -> Drawn:
    """Straight through the canvases: `savefig` would draw everything twice."""
    _place_empty_labels(figure)
    FigureCanvasAgg(figure).print_png(into / f"{name}.png", metadata={"Software": None})  # type: ignore[no-untyped-call]
    figure.set_layout_engine("none")  # laid out once is enough
    text = _as_svg(figure)
    (into / f"{name}.svg").write_text(text, encoding="utf-8")
    return embedded(name, text, css)


def _place_empty_labels(figure: Figure) -> None:
    """Give axes without a label a fixed place for it: matplotlib measures all ticks to find one, in each drawing."""
    for axis in (axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)):
        if not axis.get_label_text():
            axis.set_label_coords(0, 0)


def _as_svg(figure: Figure) -> str:
    text = io.StringIO()
    FigureCanvasSVG(figure).print_svg(text, metadata={"Date": None, "Creator": None})  # type: ignore[no-untyped-call]
    return text.getvalue()


def embedded(name: str, svg: str, css: CssClasses) -> Drawn:
    """A whole SVG document → what goes between `<svg>` and `</svg>` in a page."""
    opening = re.search(r"<svg\b[^>]*>", svg)
    view_box = re.search(r'viewBox="([^"]+)"', opening.group(0)) if opening else None
    if opening is None or view_box is None:
        raise ValueError(f"{name}: not an SVG document")
    body = svg[opening.end() : svg.rindex("</svg>")]
    body = re.sub(r"<metadata>.*?</metadata>|<style[^>]*>.*?</style>|<!--.*?-->", "", body, flags=re.DOTALL)
    # Tag by tag, so that quoted text between tags is not parsed as attributes.
    body = re.sub(r"<[^/>][^>]*>", lambda tag: _tag(name, tag.group(0), css), body)
    return Drawn(name, view_box.group(1), re.sub(r"\n\s*", "\n", body).strip())


def _tag(name: str, tag: str, css: CssClasses) -> str:
    tag = re.sub(r'\bid="([^"]+)"', rf'id="{name}-\1"', tag)
    tag = re.sub(r'(href="#|url\(#)', rf"\g<1>{name}-", tag)
    tag = re.sub(r'<g id="[^"]+-(series-\d+)"(/?)>', r'<g class="\1"\2>', tag)
    tag = re.sub(r'<g id="[^"]+"(/?)>', r"<g\1>", tag)
    return re.sub(r'style="([^"]*)"', lambda m: f'class="{css.class_of(_themed(m.group(1)))}"', tag)


@lru_cache(1024)  # a plot has hundreds of tags, and few styles
def _themed(style: str) -> str:
    """Replace inks by the page's variables; normalise quotes and spaces."""
    variables = {colour.lower(): f"var({variable})" for colour, (variable, _) in inks().items()}
    style = re.sub(r"#[0-9a-fA-F]{6}", lambda ink: variables.get(ink[0].lower(), ink[0]), style)
    return re.sub(r"\s*([:;])\s*", r"\1", style.replace("&quot;", "'").strip())


def theme_colours(findings: Findings) -> dict[str, str]:
    """Each storage's colour as CSS that follows the page's theme."""
    series = storage_styles([s.storage for s in findings.storages])
    return {s.storage: f"var({inks()[series[s.storage].light][0]})" for s in findings.storages}
