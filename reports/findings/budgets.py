"""Error budgets: how much of them a run used, how fast, and which alerts that burn rate would fire in production."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from reports.data.arrays import Floats
from reports.data.objective import DAY_S, BurnAlert, Objective

_HOUR_S = 3600.0

WORKBOOK_ALERTS = (
    BurnAlert("fast burn", "page", 14.4, _HOUR_S, _HOUR_S / 12),
    BurnAlert("slow burn", "page", 6.0, 6 * _HOUR_S, _HOUR_S / 2),
    BurnAlert("steady burn", "ticket", 1.0, 3 * DAY_S, 6 * _HOUR_S),
)
"""The multi-window alerts that Google's SRE Workbook recommends ("Alerting on SLOs"), for objectives without any."""


@dataclass(frozen=True)
class AlertForecast:
    """Whether an alert would fire in production, if the burn rate were that of the run from some moment on, and no
    attempt had been bad before. `fires_after_s` None: never. `used`: the share of the window's budget used by then."""

    alert: BurnAlert
    fires_after_s: float | None = None
    used: float | None = None


@dataclass(frozen=True)
class Budget:
    """The error budget of one objective on one system over the judged stages, its rounds pooled."""

    objective: Objective
    n: int
    bad: int
    rounds: Mapping[str, float]
    """The burn rate of each run with attempts."""
    used: Floats
    """By bin of the axis: the share of the run's budget used by the end of the bin. NaN without attempts."""
    burn: Floats
    """By bin: the burn rate; NaN with too few attempts."""
    unseen: str = ""
    """Why an unknown number of bad attempts is in no count; empty when none is."""

    @property
    def burn_rate(self) -> float | None:
        """Share of bad attempts ÷ error budget; None without attempts. 1 uses up exactly the budget of the window."""
        return self.bad / self.n / self.objective.budget if self.n else None

    @property
    def lasts_s(self) -> float | None:
        """How long the budget of the SLO's window would last at this burn rate; None: for ever, or unknown."""
        return self.objective.window_s / self.burn_rate if self.burn_rate else None

    @property
    def alerts_of_workbook(self) -> bool:
        """Whether the alerts are not the objective's own."""
        return not self.objective.alerts

    @property
    def alerts(self) -> tuple[AlertForecast, ...]:
        """Its forecasts; empty without attempts."""
        return () if self.burn_rate is None else tuple(self._forecasts(self.burn_rate))

    def _forecasts(self, burn_rate: float) -> Iterator[AlertForecast]:
        for alert in self.objective.alerts or WORKBOOK_ALERTS:
            yield forecast(alert, burn_rate, self.objective.window_s)


def forecast(alert: BurnAlert, burn_rate: float, window_s: float) -> AlertForecast:
    """The alert at a constant burn rate. Over a window of length L the burn rate reaches the threshold T after L·T/b:
    before that, part of the window has no bad attempts."""
    if not alert.exceeded_by(burn_rate):
        return AlertForecast(alert)
    longest_s = max(alert.long_s, alert.short_s or 0.0)
    fires_s = longest_s * alert.threshold / burn_rate + alert.after_s
    return AlertForecast(alert, fires_s, burn_rate * fires_s / window_s)
