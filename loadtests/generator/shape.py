"""The scenario's stages as Locust's load shape: users are agents; customers come by the schedule of arrivals."""

from typing import ClassVar

from locust import LoadTestShape

from loadtests.generator.master import MasterSide
from loadtests.generator.ownrun import OwnConductor


class StagesShape(LoadTestShape):
    """Asks the master's side. Stage time is ours: Locust is only ever told how many agents there are to be now."""

    master: ClassVar[MasterSide | None] = None
    conductor: ClassVar[OwnConductor | None] = None
    """Where the master's runs come from; None when its one run was given."""

    def tick(self) -> tuple[int, float] | None:
        return None if self.master is None else self.master.wanted()
