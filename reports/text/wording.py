"""Formatting of figures: two digits, a unit, and a mark for percentiles that are lower bounds."""

from reports.data.contract import UNNAMED
from reports.findings.estimates import Estimate

NONE = "—"
FAILED = "✗"
"""Marks a failed action and a fault."""


def duration(seconds: float) -> str:
    """`0.0123` → `12 ms`."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= size * 0.9995 or unit == "µs":
            return f"{digits(seconds / size)} {unit}"
    raise AssertionError


def lasting(seconds: float) -> str:
    """A long time: `0.5` → `500 ms`, `750` → `13 min`, `9000` → `2.5 h`, `864000` → `10 days`."""
    for unit, size in (("days", 86_400.0), ("h", 3600.0), ("min", 60.0)):
        if seconds >= size * (2 if unit == "days" else 1) * 0.9995:
            return f"{digits(seconds / size).removesuffix('.0')} {unit}"
    return duration(seconds).replace(".0 ", " ")


def digits(value: float) -> str:
    """Two digits below ten, three below a thousand, all above; no exponents: less than a millionth is nothing."""
    if abs(value) >= 9.95:
        return f"{value:,.0f}"
    if abs(value) >= 1e-4:
        return f"{value:.1f}" if abs(value) >= 0.995 else f"{value:.2g}"
    return f"{value:.6f}".rstrip("0") if abs(value) >= 1e-6 else "0"


def value(estimate: Estimate | None) -> str:
    if estimate is None:
        return NONE
    return ("≥ " if estimate.at_least else "") + duration(estimate.value / 1e9)


def interval(estimate: Estimate | None) -> str:
    """`12 … 15 ms`; a dash for a bound that needs more rows, empty without any bound."""
    if estimate is None or (estimate.low is None and estimate.high is None):
        return ""
    low, high = (NONE if bound is None else duration(bound / 1e9) for bound in (estimate.low, estimate.high))
    if low.split()[-1] == high.split()[-1]:
        low = low.split()[0]
    return f"{low} … {high}"


def with_interval(estimate: Estimate | None) -> str:
    bounds = interval(estimate)
    return f"{value(estimate)} ({bounds})" if bounds else value(estimate)


def span(low: str, high: str) -> str:
    """A range, with the shared unit once; one text where both are the same."""
    if low == high:
        return high
    return f"{low.split(maxsplit=1)[0] if low.split()[1:] == high.split()[1:] else low}–{high}"  # noqa: RUF001


def listed(words: list[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def times(number: int) -> str:
    """How often."""
    return "once" if number == 1 else f"{number:,} times"


def one_line(text: str, word: int = 100) -> str:
    """Foreign text on one line: no control or direction marks, over-long words cut."""
    line = "".join(c if c.isprintable() else " " for c in text)
    return " ".join(w if len(w) <= word else f"{w[: word - 1]}…" for w in line.split())


def plain(estimate: Estimate) -> str:
    """`37 ms`, or `at least 7.5 s` where the end of such waits was not observed."""
    return f"{'at least ' if estimate.at_least else ''}{duration(estimate.value / 1e9)}"


def reported(name: str) -> str:
    """The name of an operation, a holder or a lock in tables and plots."""
    return "not reported" if name == UNNAMED else name


def possessive(label: str) -> str:
    return f"{label}'" if label.endswith("s") else f"{label}'s"
