# ruff: noqa: E501  sentences of the page are kept whole
"""The words of the page, and what they mean."""

WORDS: tuple[tuple[str, str], ...] = (
    ("response", "from the moment when an operation should have begun to its end: what a person waits. Judged stages only, by planned start."),
    ("service", "from the moment when it really began."),
    ("n", "attempts that were ok, failed or unknown. Percentiles are of the ok and the unknown; failures are counted beside."),
    ("unknown", "timed out or cut off: it may have happened. It counts as at least the wait that was seen; a percentile among such waits shows ≥."),
    ("refused", "a correct, definite no, such as losing the race for a chat. Counted apart."),
    ("10 … 14 ms", "a 95 % interval by the order of the rows, for independent rows; — is a bound, or a percentile, that so few rows cannot give."),
    ("lock wait", "seconds that sessions waited for a lock, for each 1,000 operations of that kind. How it is known stands beside it."),
    ("event", "the server logged each wait, with its own clock: exact, for waits longer than the threshold that it was given."),
    ("pod", "timed where it happened, by the pod that waited."),
    ("sampled", "a look at the server now and then: looks that saw it, times their period, with a 95 % interval. Single waits are not timed."),
    ("censored", "too short for what times waits to see it. Its length is unknown; of all such together, a sum is known by sampling."),
    ("cause", "what a part of a response was spent on: held back, waits for locks, for a session, database, pod, rest. They add up to the response."),
    ("locks' doing", "waits for locks in its own transactions, in its user's earlier calls while it was held back, and in the sessions of the pool while it waited for one."),
    ("directly behind", "who held the lock at that moment. It may itself have waited for another."),
    ("root", "the head of a queue: it waited for nobody, so all of the queue waited for it."),
    ("sessions ahead", "how many were between a waiter and the root, the root included: the depth of the queue."),
    ("convoy", "a queue for one lock that goes on after whoever made it has let go: each of it holds the lock just long enough for the next to come."),
    ("calibration", "locks that were held for known times before the load began, to see what the probes make of them. Where a figure misses its bar, lock waits are unknown."),
    ("event.deliver", "from its cause: since the operation that made the event began, on the harness's clock. From the stamp: since the server published it, by its clock; unknown where that clock is not ours."),
    ("event.deliver, failed", "a push that never came leaves no row, so that failed and unknown are dashes, not noughts; the ledger's lost pushes tell of them."),
    ("attempt", "one transaction of an operation. It is lost where another one overtook it (conflict, stale snapshot), closed a circle with it (deadlock), or held a lock for too long."),
    ("counted", "the server's own total, read once a second: it knows how much, but not whose it was."),
    ("orphan", "a subscription whose connection is closed, or silent for longer than it may resume."),
)  # fmt: skip
