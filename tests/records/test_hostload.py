"""When other load of the host kept a run from running."""

import pytest

from loadtests.records.hostload import AFTERWARDS_NS, host_load

S = 1_000_000_000


def samples(*seconds: dict[str, float]) -> list[tuple[int, dict[str, int]]]:
    """One sample a second; each names how much of that second its counters grew by, in cores or shares."""
    total = {"processors": 2, "busy_ns": 0, "own_cpu_ns": 0, "measured_cpu_ns": 0, "run_queue_ns": 0,
             "throttled_ns": 0, "memory_full_pressure_us": 0}  # fmt: skip
    found = [(0, dict(total))]
    for number, grown in enumerate(seconds, 1):
        for name, share in grown.items():
            total[name] += round(share * (1_000_000 if name.endswith("_us") else S))
        found.append((number * S, dict(total)))
    return found


QUIET = {"busy_ns": 0.9, "own_cpu_ns": 0.9, "measured_cpu_ns": 0.8, "run_queue_ns": 0.2}
OWN = {"busy_ns": 2.0, "own_cpu_ns": 1.98, "measured_cpu_ns": 1.9, "run_queue_ns": 5.0}
CROWDED = {"busy_ns": 2.0, "own_cpu_ns": 0.5, "measured_cpu_ns": 0.4, "run_queue_ns": 2.0}
ELSEWHERE = {"busy_ns": 1.9, "own_cpu_ns": 0.5, "measured_cpu_ns": 0.4, "run_queue_ns": 0.1}
THROTTLED = {**QUIET, "throttled_ns": 0.3}
THRASHING = {**QUIET, "memory_full_pressure_us": 0.4}


@pytest.mark.parametrize("second", [QUIET, OWN, ELSEWHERE])
def test_own_load_and_load_that_keeps_nothing_waiting_are_no_starvation(second):
    load = host_load(samples(*[second] * 5), 0, 5 * S)
    assert (load.starved_s, load.reason, load.affected()) == (0, "", ())


@pytest.mark.parametrize(
    ("second", "reason"),
    [
        (
            CROWDED,
            "the host was under other load for 2.0 s of 5.0 s: processes that are not of the run used 1.5 of 2 "
            "processors, and its own waited for one in 83% of the time in which they could have run",
        ),
        (
            THROTTLED,
            "the host was under other load for 2.0 s of 5.0 s: the CPU quota of its control group stopped the run for "
            "30% of that time",
        ),
        (
            THRASHING,
            "the host was under other load for 2.0 s of 5.0 s: all of it stood still for want of memory for 40% of "
            "that time",
        ),
    ],
)
def test_starved_time_is_found_and_named(second, reason):
    load = host_load(samples(QUIET, second, second, QUIET, QUIET), 0, 5 * S)
    assert load.windows == ((S, 3 * S),)
    assert load.affected() == ((S, 3 * S + AFTERWARDS_NS),)
    assert load.reason == reason
    assert load.document()["starved_s"] == 2.0


def test_windows_are_cut_to_the_time_that_is_asked_about():
    load = host_load(samples(*[CROWDED] * 6), 2 * S, 4 * S)
    assert load.windows == ((2 * S, 4 * S),)
    assert host_load(samples(*[CROWDED] * 6), 7 * S, 9 * S).windows == ()


def test_windows_whose_backlogs_touch_are_one():
    load = host_load(samples(CROWDED, CROWDED, QUIET, CROWDED, CROWDED), 0, 5 * S)
    assert load.windows == ((0, 2 * S), (3 * S, 5 * S))
    assert load.affected() == ((0, 5 * S + AFTERWARDS_NS),)


def test_no_samples_give_no_figures():
    assert host_load([], 0, S).reason == ""


def test_counter_that_appears_in_mid_run_is_no_starvation():
    """A quota that is set on the control group later brings its total since the group was made."""
    quiet = samples(*[QUIET] * 6)
    late = [(t, {k: v for k, v in counters.items() if k != "throttled_ns"}) for t, counters in quiet[:3]]
    since = [(t, {**counters, "throttled_ns": 3600 * S}) for t, counters in quiet[3:]]
    load = host_load([*late, *since], 0, 6 * S)
    assert (load.windows, load.reason) == ((), "")
