"""Links from the terms of a page to their entries: the first use in each section."""

import re
from collections.abc import Sequence

from markupsafe import Markup, escape

from reports.page.parts import Term


def anchor(term: Term) -> str:
    return "term-" + re.sub(r"[^a-z0-9]+", "-", term.word.lower()).strip("-")


class TermLinks:
    """Links each term once between two calls of `begin`. The earlier of two terms has precedence."""

    def __init__(self, terms: Sequence[Term]) -> None:
        self._anchors = [anchor(term) for term in terms]
        self._linked: set[int] = set()
        alternatives = [f"(?P<t{place}>{'|'.join(term.phrases)})" for place, term in enumerate(terms) if term.phrases]
        self._pattern = re.compile("|".join(alternatives) or r"(?!)")

    def begin(self) -> str:
        self._linked.clear()
        return ""

    def link(self, text: str) -> Markup:
        """The text, escaped, with links."""
        parts, end = [], 0
        for match in self._pattern.finditer(text):
            place = int((match.lastgroup or "t0")[1:])
            if place in self._linked:
                continue
            self._linked.add(place)
            parts += [escape(text[end : match.start()]), self._a(place, match.group())]
            end = match.end()
        return Markup("").join([*parts, escape(text[end:])])

    def _a(self, place: int, words: str) -> Markup:
        return Markup('<a class="term" href="#{}">{}</a>').format(self._anchors[place], words)
