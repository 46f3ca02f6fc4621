# ruff: noqa: E501  sentences of the page are kept whole
"""The terms of the page, their meanings, and the words that link to them."""

from reports.page.parts import Term

TERMS: tuple[Term, ...] = (
    Term("response", "from the moment when an operation should have begun to its end: what a user waits. Judged stages only, by planned start.", (r"\b[Rr]esponses?( time)?\b",)),
    Term("service", "from the moment when it actually began.", (r"\bservice time\b",)),
    Term("judged stages", "the stages of the scenario whose operations count; warm-up and cool-down do not.", (r"\bjudged (stages?|time)\b",)),
    Term("rounds pooled", "the rows of all completed runs of a system together; percentiles are computed from rows, never averaged.", (r"\b[Rr]ounds pooled\b",)),
    Term("p50, p95, p99", "the time that 50, 95 or 99 of a hundred operations do not exceed.", (r"\bp(50|95|99|99\.9)\b",)),
    Term("n", "attempts that were ok, failed or unknown. Percentiles are of the ok and the unknown; failures are only counted.", (r"^n$",)),
    Term("unknown", "timed out or cut off: it may have happened. It counts with at least the observed wait; a percentile among such waits shows ≥ (▲ in plots).", (r"\bunknown\b", r"≥", r"▲")),
    Term("refused", "a correct, definite no, such as losing the race for a chat. Counted apart.", (r"\brefused\b",)),
    Term("10 … 14 ms", "a 95 % interval by the order of the rows, for independent rows; unknown marks a bound for which there are too few rows.", (r"\b95 % intervals?\b",)),
    Term("lock wait", "seconds that sessions waited for a lock, for each 1,000 operations of that kind. The table shows how it is known.", (r"\block waits?\b", r"\b[Ww]aits for locks\b", r"\bwaiting for a lock\b")),
    Term("event", "the server logged each wait, with its own clock: exact, for waits longer than its configured threshold.", (r"(?<=known: )event\b",)),
    Term("pod", "timed by the pod that waited.", (r"(?<=known: )pod\b", r"\btimed by the pod\b")),
    Term("sampled", "from periodic samples of the server: number of samples that show it, times their period, with a 95 % interval. Single waits are not timed.", (r"\bsampl(ed|ing)\b",)),
    Term("censored", "too short to be timed by its source. Its length is unknown; sampling gives the sum of all such waits.", (r"\bcensored\b", r"\btoo short to be timed\b")),
    Term("cause", "what a part of a response was spent on: client backlog, waits for locks, for a session, database, pod, rest. They add up to the response.", (r"\bby cause\b",)),
    Term("client backlog", "the time after the planned start in which its user was still in an earlier call; `held back` in summary.json.", (r"\bclient backlog\b",)),
    Term("lock-related time", "waits for locks in its own transactions, in its user's earlier calls (client backlog), and in the sessions of the pool while it waited for one.", (r"\block-related time\b",)),
    Term("directly behind", "the holder of the lock at that moment, which may itself have waited for another lock.", (r"\bdirectly( behind)?\b",)),
    Term("root", "the root blocker: the head of a lock queue, which waited for no lock, so that the whole queue waited for it.", (r"\b(at the )?root( blockers?)?\b",)),
    Term("sessions ahead", "how many were between a waiter and the root, the root included: the depth of the queue.", (r"\bsessions ahead\b",)),
    Term("convoy", "a lock queue that lasts longer than its cause held the lock: each session holds it just long enough for the next one to arrive.", (r"\b[Cc]onvoys?\b",)),
    Term("SLO breach", "a time in which more than a fifth of a pod's attempts failed, are unknown or were slower than their limit; the rule is beneath the plot of the blast radius.", (r"\bSLO breach(es)?\b", r"\bbreached\b", r"\b[Ii]n breach\b")),
    Term("calibration", "locks that were held for known times before the load began, to measure how well the probes observe them. Where a figure is outside its tolerance, lock waits are unknown.", (r"\bcalibrat(ed|ions?)\b",)),
    Term("event.deliver", "from its cause: since the operation that made the event began, on the harness's clock. From the stamp: since the server published it, by its clock; unknown where that clock is not the harness's.", (r"\bevent\.deliver\b",)),
    Term("event.deliver, failed", "a push that never arrived leaves no row, so that failed and unknown are not recorded, not zero; the ledger counts lost pushes.", (r"\bpush(es)?\b",)),
    Term("attempt", "one transaction of an operation. It is lost when another transaction committed first (conflict, stale snapshot), deadlocked with it, or held a lock for too long.", (r"\battempts? of an operation\b", r"\boperation's attempts\b")),
    Term("counted", "the server's own total, read once a second: exact, but not split by operation.", (r"\bcounted, s\b", r"\bservers' own totals\b")),
    Term("ledger", "what was reported to the clients, compared with what the storage system holds at the end.", (r"\b[Ll]edger\b",)),
    Term("orphan", "a subscription whose connection is closed, or silent for longer than it may resume.", (r"\b[Oo]rphans?\b",)),
)  # fmt: skip
