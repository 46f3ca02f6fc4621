"""Findings with many lock waits, as joined from waits and requests of a run."""

from dataclasses import replace

import numpy as np
from studies import Op, write_run

from reports.analysis.study import find
from reports.data.contract import NO_HOLDER
from reports.data.runs import read_study
from reports.findings.causes import CAUSES, CauseFindings, Split
from reports.findings.locks import Blame, Convoy, Sampled, WaitDurations, Worst

SHORT = Sampled(1.5e9, 1.5e9 * 5e7, 5e7)
"""Thirty observations of 50 ms each: 1.5 s (1.0 … 2.1 s)."""
HOSTILE = "<b>&\u202e`$x$" + "y" * 5_000


def study(tmp_path, storages=1, **more):
    for number in range(1, storages + 1):
        ops = [Op("chat.accept", 5 + n / 10, 0.02) for n in range(100)]
        write_run(tmp_path, f"{number:02}-storage{number}", operations=ops, **more)
    return find("study", read_study(tmp_path))


def with_waits(findings, word=""):
    return replace(findings, storages=tuple(waiting(s, word) for s in findings.storages))


def waiting(storage, word=""):
    """The storage with causes, blame and durations; all free words are `word`, where there is one."""
    accept, message, row = word or "chat.accept", word or "message.send", word or "row of accounts"
    base, statement = word or "postgres", word or "SELECT 1 FROM accounts"
    splits = {"chat.accept": {figure: split(holder=accept) for figure in ("mean", "p50", "p99")}}
    over = {"chat.accept": {cause: np.full(len(storage.bin_s), 0.5) for cause in CAUSES}}
    pairs = {(accept, message): 3.0, ("subscription.create", NO_HOLDER): 1.0}
    chain = (word or "chat.close", message)
    worst = Worst("01-a", base, 7.0, 2_500_000_000, True, "event", accept, row, "timed_out", statement, chain)
    convoy = Convoy("01-a", base, row, 6.0, accept, 6.5, 9.0, 12, 30.0)
    return replace(
        storage,
        causes=CauseFindings("event", "", splits, over),
        blame=Blame("event", pairs, pairs, {1: 3.0, 2: 0.5, 9: 0.5}, (convoy,), (worst,)),
        durations=WaitDurations(
            "event and sampled", 0.01, np.logspace(-2, 1, 13), np.arange(12.0), SHORT, open=2, period_s=0.05
        ),
    )


def split(lock_ms=338.0, whole_ms=412.0, holder="chat.accept", **more):
    parts = dict.fromkeys(CAUSES, 0.0) | {"lock": lock_ms * 1e6, "database": (whole_ms - lock_ms) * 1e6}
    locks = {(holder, "row of accounts"): lock_ms * 0.9e6, ("message.send", "row of chats"): lock_ms * 0.1e6}
    return Split(whole_ms * 1e6, 40, parts, locks, **more)
