"""Redis's single thread, kept busy by scripts for known times."""

from collections.abc import Sequence
from typing import Any

from loadtests.calibration.contract import EngineCalibration, HoldContext, ServerCounter, Work
from loadtests.calibration.plan import PlannedHold, S
from loadtests.calibration.sessionholds import Ready
from loadtests.calibration.timekeeping import Timekeeper
from loadtests.calibration.truth import CompletedHold, LockRequest
from loadtests.drivers import redis
from loadtests.drivers.addresses import parse_address

COMMAND = "evalsha"
"""The server's name for the command that keeps it busy."""

_BUSY = "for i = 1, tonumber(ARGV[1]) do end return 0"
_QUIET_READINGS = 25
_TRIALS, _TRIAL_LOOPS = 5, 200_000


class RedisHolds:
    """Scripts that use no key. The true duration of a script is the time that its caller waited for the reply."""

    def __init__(self, dsn: str, clock: Timekeeper) -> None:
        self._dsn, self._clock = dsn, clock
        self._client: Any = None
        self._script = ""

    async def make(self, holds: Sequence[PlannedHold], ready: Ready) -> list[CompletedHold]:
        """One hold after another: there is one thread."""
        self._client = await redis.open_client(parse_address("redis", self._dsn), timeout_s=5)
        try:
            session = int(await self._client.client_id())
            self._script = str(await self._client.script_load(_BUSY))
            quiet_ns = self._clock.quiet_ns([await self._run(0) for _ in range(_QUIET_READINGS)])
            await ready()
            quickest_ns = min([await self._run(_TRIAL_LOOPS) for _ in range(_TRIALS)])
            loops_per_s = _TRIAL_LOOPS / max(quickest_ns - quiet_ns, 1) * 1e9
            async with self._clock.beating():
                return [await self._make(hold, session, quiet_ns, loops_per_s) for hold in holds]
        finally:
            await self._client.aclose()

    async def _make(self, hold: PlannedHold, session: int, quiet_ns: int, loops_per_s: float) -> CompletedHold:
        sent_ns = self._clock.now_ns()
        took_ns = await self._run(round(hold.seconds * loops_per_s))
        return CompletedHold(hold, [session], [LockRequest(0, sent_ns, sent_ns + took_ns, quiet_ns, "acquired")])

    async def _run(self, loops: int) -> int:
        """The duration of a script of so many loops, in ns."""
        sent_ns = self._clock.now_ns()
        await self._client.evalsha(self._script, 0, loops)
        return self._clock.now_ns() - sent_ns


async def _hold(context: HoldContext, holds: Sequence[PlannedHold]) -> Work:
    return await RedisHolds(context.dsn, context.clock).make(holds, context.ready), ()


CALIBRATION = EngineCalibration(
    plans={
        "full": (
            S(3, "thread", 1.0),
            S(8, "thread", 0.3),
            S(10, "thread", 0.05),
            *(S(10, "thread", seconds) for seconds in (0.01, 0.001)),
        ),
    },
    hold=_hold,
    counter=ServerCounter(f"command_us:{COMMAND}", per_ms=1000.0, lock="thread", tolerance=0.02, resolution_ms=0.001),
)
