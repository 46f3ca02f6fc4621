# ruff: noqa: E501  sentences of the page are kept whole
"""Section: the error budgets, how fast they were used, and the alerts that this would fire in production."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from reports.data.arrays import Floats
from reports.data.objective import BurnAlert, Objective, pod_words
from reports.findings.budgets import AlertForecast, Budget
from reports.findings.study import Findings, StorageFindings
from reports.page.plots.bands import storage_legend
from reports.page.plots.style import PAGE_IN, WRONG, SeriesStyle, figure, note, short
from reports.page.plots.time_axis import SECONDS, edges_s, mark, whole_time
from reports.page.table import Cell, PageTable
from reports.sections.contract import Section, each
from reports.text.plain_names import operation_words
from reports.text.wording import NONE, digits, duration, lasting, listed

_ROW_IN, _MOST_ROWS = 1.3, 12
"""Height of a row of the plot, and how many objectives it shows."""


def _whole(storage: StorageFindings) -> list[Budget]:
    """Those of all pods together."""
    return [budget for budget in storage.budgets if budget.objective.pod is None]


def _objectives(findings: Findings) -> list[Objective]:
    return list(dict.fromkeys(budget.objective for s in findings.storages for budget in _whole(s)))


def _of(storage: StorageFindings, objective: Objective) -> Budget | None:
    return next((budget for budget in storage.budgets if budget.objective == objective), None)


def draw(findings: Findings, styles: dict[str, SeriesStyle]) -> Figure:
    """A row for each objective: budget used so far on the left, burn rate on the right; a line for each system."""
    asked = _objectives(findings)[:_MOST_ROWS]
    whole = figure(PAGE_IN, _ROW_IN * len(asked) + 0.9)
    grid = whole.subplots(len(asked), 2, sharex=True, squeeze=False)
    for place, (row, objective) in enumerate(zip(grid, asked, strict=True)):
        found = [(s, budget) for s in findings.storages if (budget := _of(s, objective)) is not None]
        for axis, field in zip(row, ("used", "burn"), strict=True):
            _panel(axis, findings, [(styles[s.storage], getattr(b, field)) for s, b in found], first=not place)
        row[0].set_title(f"{short(_words(objective), 60)}: budget used", fontsize=9, pad=6 if place else 14)
        row[1].set_title("burn rate", fontsize=9, pad=6 if place else 14)
        row[0].yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{share * 100:,.0f} %"))
    for axis in grid[-1]:
        axis.set_xlabel(SECONDS)
    storage_legend(whole, findings.storages, styles, loc="outside lower center", ncols=5)
    return whole


def _panel(axis: Any, findings: Findings, lines: list[tuple[SeriesStyle, Floats]], *, first: bool) -> None:
    """From 0 up; a dashed line at 1, at which the budget is used up, or used as fast as it may be."""
    whole_time(axis, findings)
    if findings.storages:
        mark(axis, findings.storages[0], names=first)
    axis.axhline(1, color=WRONG, linewidth=0.9, linestyle=(0, (4, 2)))
    known = [values[~np.isnan(values)] for _, values in lines]
    axis.set_ylim(0, max([1.0, *(float(values.max(initial=0.0)) for values in known)]) * 1.15)
    axis.yaxis.set_major_locator(MaxNLocator(5, steps=(1, 2, 2.5, 5, 10)))
    for style, values in lines:
        axis.stairs(values, edges_s(findings), color=style.light, linestyle=style.dash, linewidth=1.6, baseline=None)
    if not any(map(len, known)):
        note(axis, "too few attempts")


def _words(objective: Objective) -> str:
    """`Accept chat in 300 ms on pod 17`."""
    within = "without failure" if objective.within_s is None else f"in {duration(objective.within_s)}"
    pod = f" on {pod_words(objective.pod)}" if objective.pod is not None else ""
    return f"{operation_words(objective.operation)} {within}{pod}"


def _alert_words(alert: BurnAlert) -> str:
    """`a burn rate above 14.4 over 60 min and over 5.0 min`."""
    windows = [lasting(window) for window in (alert.long_s, alert.short_s) if window]
    return f"burn rate {'of at least' if alert.inclusive else 'above'} {alert.threshold:g} over {listed(windows)}"


def _finding_of(storage: StorageFindings) -> str:
    known = [(rate, budget) for budget in storage.budgets if (rate := budget.burn_rate) is not None]
    if not known:
        return "no attempt that an objective is about"
    rate, worst = max(known, key=lambda pair: pair[0])
    if not rate:
        return "no objective used any of its error budget"
    if rate <= 1:
        return f"every objective stays within its error budget; the largest burn rate is {digits(rate)}, of {_words(worst.objective)}"
    lasts, window = lasting(worst.lasts_s or 0.0), lasting(worst.objective.window_s)
    return (
        f"{_words(worst.objective)} uses its error budget {digits(rate)} times as fast as it may: in production, the budget of {window} would last "
        f"{lasts}, and {_first_alert(worst)}"
    )


def _first_alert(budget: Budget) -> str:
    fired = [(f.fires_after_s, f.alert) for f in budget.alerts if f.fires_after_s is not None]
    if not fired:
        return "no alert would fire"
    after_s, alert = min(fired, key=lambda pair: pair[0])
    return f"the alert “{alert.name}” would fire after {lasting(after_s)}"


def _table(findings: Findings) -> PageTable:
    rows = [
        [_words(objective), Cell(s.label, system=s.storage), *_figures(budget)]
        for objective in _objectives(findings)
        for s in findings.storages
        if (budget := _of(s, objective)) is not None
    ]
    caption = (
        f"Objectives of {findings.budgets_from}, judged stages, rounds pooled. The error budget is one minus the target; the burn rate is the share of bad "
        "attempts divided by it, beneath it that of each round. A burn rate of 1 uses up exactly the budget of the window. Refusals do not count."
    )
    columns = [
        "objective",
        "system",
        "target",
        "attempts",
        "bad",
        "bad share",
        "burn rate",
        "budget would last",
    ]
    return PageTable(caption, columns, rows, 2, grouped=True, absent="no attempts")


def _figures(budget: Budget) -> list[str | Cell]:
    target, n = f"{budget.objective.target * 100:.10g} %", f"{budget.n:,}"
    rate = budget.burn_rate
    if rate is None:
        return [target, n, *[NONE] * 4]
    least = "≥ " if budget.unseen else ""
    rounds = ", ".join(map(digits, budget.rounds.values())) if len(budget.rounds) > 1 else ""
    share = f"{least}{digits(budget.bad / budget.n * 100)} %"
    burn = Cell(f"{least}{digits(rate)}", "; ".join(filter(None, [rounds, budget.unseen])), bad=rate > 1)
    return [target, n, f"{least}{budget.bad:,}", share, burn, _lasts(budget)]


def _lasts(budget: Budget) -> str:
    window = lasting(budget.objective.window_s)
    return f"{lasting(budget.lasts_s)}, for {window}" if budget.lasts_s is not None else f"not used, for {window}"


def _alerts_table(findings: Findings) -> PageTable:
    rows: list[list[str | Cell]] = [
        [_words(budget.objective), Cell(s.label, system=s.storage), *_alert(budget, forecast)]
        for objective in dict.fromkeys(b.objective for s in findings.storages for b in s.budgets)
        for s in findings.storages
        if (budget := _of(s, objective)) is not None
        for forecast in budget.alerts
        if forecast.fires_after_s is not None
    ]
    own = any(not budget.alerts_of_workbook for s in findings.storages for budget in s.budgets)
    source = "Alerts of the objectives; where an objective has none, those" if own else "The alerts"
    caption = (
        f"{source} of Google's SRE Workbook. An alert compares the burn rate over hours and days, of which a run covers none. So this is a "
        "calculation: when it would fire in production, if attempts were bad at this burn rate without a pause, and none was bad before."
    )
    columns = ["objective", "system", "alert", "severity", "fires at", "would fire after", "budget used by then"]
    empty = "None: no burn rate exceeds the threshold of an alert."
    return PageTable(caption, columns, rows, 5, "Alerts that this burn rate would fire", empty, grouped=True)


def _alert(budget: Budget, forecast: AlertForecast) -> Iterator[str]:
    alert = forecast.alert
    yield f"{alert.name}{' (SRE Workbook)' if budget.alerts_of_workbook else ''}"
    yield alert.severity
    yield _alert_words(alert)
    yield lasting(forecast.fires_after_s or 0.0)
    yield f"{digits((forecast.used or 0.0) * 100)} %"


def _pods_table(findings: Findings) -> PageTable:
    rows = [
        [Cell(s.label, system=s.storage), _words(budget.objective), *_figures(budget)]
        for s in findings.storages
        for budget in s.budgets
        if budget.objective.pod is not None
    ]
    columns = [
        "system",
        "objective",
        "target",
        "attempts",
        "bad",
        "bad share",
        "burn rate",
        "budget would last",
    ]
    return PageTable(
        "As above, each pod by itself.", columns, rows, 2, "Error budgets by pod" if rows else "", packed=True
    )


def _by_bin(findings: Findings) -> PageTable:
    width_s = findings.axis.width_s
    rows = [
        [
            _words(budget.objective),
            s.label,
            f"{place * width_s:g}",
            f"{used:.1%}",
            NONE if np.isnan(burn) else digits(burn),
        ]
        for objective in _objectives(findings)
        for s in findings.storages
        if (budget := _of(s, objective)) is not None
        for place, (used, burn) in enumerate(zip(budget.used, budget.burn, strict=True))
        if not np.isnan(used)
    ]
    caption = f"Bins of {duration(width_s)}, by planned start; the budget is that of the run."
    return PageTable(
        caption, ["objective", "system", "from, s", "budget used", "burn rate"], rows, 2, absent="too few attempts"
    )


def _summary(_: Findings, storage: StorageFindings) -> dict[str, Any]:
    return {"budgets": [_plain(budget) for budget in storage.budgets]}


def _plain(budget: Budget) -> dict[str, Any]:
    asked = budget.objective
    names = ("name", "title", "operation", "within_s", "target", "pod", "window_s")
    return {
        **{name: getattr(asked, name) for name in names},
        **{"n": budget.n, "bad": budget.bad, "unseen": budget.unseen or None},
        "burn_rate": budget.burn_rate,
        "burn_rates": dict(budget.rounds),
        "budget_lasts_s": budget.lasts_s,
        **{name: _numbers(getattr(budget, name)) for name in ("used", "burn")},
        "alerts": [_plain_alert(budget, forecast) for forecast in budget.alerts],
    }


def _numbers(values: Floats) -> list[float | None]:
    return [None if np.isnan(value) else float(value) for value in values]


def _plain_alert(budget: Budget, forecast: AlertForecast) -> dict[str, Any]:
    return {
        **vars(forecast.alert),
        "of_workbook": budget.alerts_of_workbook,
        "fires_after_s": forecast.fires_after_s,
        "budget_used": forecast.used,
    }


SECTION = Section(
    name="error-budget",
    question="happened",
    title="Error budget",
    applies=lambda findings: any(s.budgets for s in findings.storages),
    finding=lambda findings: each(findings, _finding_of),
    how=lambda findings: (
        "Left: the share of the run's error budget (one minus the target, of all its attempts) used so far; at 100 % (dashed) the run has used all of it. Right: the burn rate "
        f"in each bin of {duration(findings.axis.width_s)}; above 1 (dashed) the budget is used faster than it may be (gaps: fewer than five attempts). Shaded: the judged stages, which alone count. "
        "Rounds pooled."
    ),
    plot=draw,
    table=_by_bin,
    timed=True,
    beside=(_table, _alerts_table),
    folded=(_pods_table,),
    summary=_summary,
)
