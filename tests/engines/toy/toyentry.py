"""The one entry that adds the toy engine."""

from loadtests.engines import Choice, Engine, HostNeeds, Promises

ENTRY = Engine(
    title="Toy",
    runs="server",
    choices=(
        Choice("fast", Promises(False, True, "process_crash"), "#123456", "#abcdef", (0, (1, 1))),
        Choice("safe", Promises(True, True, "power_loss"), "#234567", "#bcdefa"),
    ),
    os_user="nobody",
    host=HostNeeds(disk_mb=3, tasks=5, tasks_a_session=2),
    storage="toyengine:create",
    address="toyengine:ADDRESS",
    server="toyengine:ToyServer",
    probe="toyengine:ToyProbe",
    ledger="toyengine:reading",
    calibration="toyengine:CALIBRATION",
    sessions="toyengine:connected",
)
