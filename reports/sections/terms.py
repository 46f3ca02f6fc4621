# ruff: noqa: E501  sentences of the page are kept whole
"""The terms of the page, and their meanings."""

TERMS: tuple[tuple[str, str], ...] = (
    ("response", "from the moment when an operation should have begun to its end: what a user waits. Judged stages only, by planned start."),
    ("service", "from the moment when it actually began."),
    ("n", "attempts that were ok, failed or unknown. Percentiles are of the ok and the unknown; failures are only counted."),
    ("unknown", "timed out or cut off: it may have happened. It counts with at least the observed wait; a percentile among such waits shows ≥."),
    ("refused", "a correct, definite no, such as losing the race for a chat. Counted apart."),
    ("10 … 14 ms", "a 95 % interval by the order of the rows, for independent rows; — marks a bound, or a percentile, for which there are too few rows."),
    ("lock wait", "seconds that sessions waited for a lock, for each 1,000 operations of that kind. The table shows how it is known."),
    ("event", "the server logged each wait, with its own clock: exact, for waits longer than its configured threshold."),
    ("pod", "timed by the pod that waited."),
    ("sampled", "from periodic samples of the server: number of samples that show it, times their period, with a 95 % interval. Single waits are not timed."),
    ("censored", "too short to be timed by its source. Its length is unknown; sampling gives the sum of all such waits."),
    ("cause", "what a part of a response was spent on: client backlog, waits for locks, for a session, database, pod, rest. They add up to the response."),
    ("client backlog", "the time after the planned start in which its user was still in an earlier call; `held back` in summary.json."),
    ("lock-related time", "waits for locks in its own transactions, in its user's earlier calls (client backlog), and in the sessions of the pool while it waited for one."),
    ("directly behind", "the holder of the lock at that moment, which may itself have waited for another lock."),
    ("root", "the root blocker: the head of a lock queue, which waited for no lock, so that the whole queue waited for it."),
    ("sessions ahead", "how many were between a waiter and the root, the root included: the depth of the queue."),
    ("convoy", "a lock queue that lasts longer than its cause held the lock: each session holds it just long enough for the next one to arrive."),
    ("calibration", "locks that were held for known times before the load began, to measure how well the probes observe them. Where a figure is outside its tolerance, lock waits are unknown."),
    ("event.deliver", "from its cause: since the operation that made the event began, on the harness's clock. From the stamp: since the server published it, by its clock; unknown where that clock is not the harness's."),
    ("event.deliver, failed", "a push that never arrived leaves no row, so that failed and unknown are dashes, not zeros; the ledger counts lost pushes."),
    ("attempt", "one transaction of an operation. It is lost when another transaction committed first (conflict, stale snapshot), deadlocked with it, or held a lock for too long."),
    ("counted", "the server's own total, read once a second: exact, but not split by operation."),
    ("orphan", "a subscription whose connection is closed, or silent for longer than it may resume."),
)  # fmt: skip
