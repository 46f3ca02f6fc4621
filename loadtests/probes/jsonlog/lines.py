"""Lines of PostgreSQL's jsonlog → events of lock waits. Pure.

Most lines are about something else, and a busy server writes many: a line is parsed only when its head matches one that
does. Quotes inside of values are escaped, so no statement that a client sends can look like that;
what it has the server write there can.
"""

import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple

import orjson

from loadtests.probes import naming

BEAT = "loadtests observer"
"""How a line begins that the observer itself has the server write, to know that the log is still this server's."""

LONGEST_STATEMENT = 1000
_HEAD = 4096
_LOCK_LINE = re.compile(
    rb'"message":"(?:process \d|loadtests observer|starting PostgreSQL|all server processes terminated)'
    rb'|"error_severity":"(?:ERROR|FATAL|PANIC)"'
)
_WAIT = re.compile(
    r"process (\d+) "
    r"(still waiting for|acquired|avoided deadlock for|detected deadlock while waiting for|failed to acquire) "
    r"(\w+) on (.{1,200}?)(?: by rearranging queue order)? after (\d+)\.(\d{3}) ms"
)
_STARTED = ("starting PostgreSQL", "all server processes terminated")
_HOLDERS = re.compile(r"Process(?:es)? holding the lock: ([\d, ]*)\. Wait queue: ([\d, ]*)\.")
_ROW = re.compile(r'^while ([a-z ]{1,60}) tuple (\(\d+,\d+\)) in relation "(.{1,200})"$', re.MULTILINE)
_FUNCTION_CONTEXT = re.compile(r"PL/(?!pgSQL )|PL/pgSQL function .*? at RAISE", re.DOTALL)
"""How the context of a line begins that a user's function wrote, with an arbitrary message. A session that waits as
it forges such a line has the same one: that wait is left to the sampler."""
_OUTCOMES = {"55P03": "timed_out", "57014": "cancelled", "40P01": "deadlock", "57P01": "cancelled"}


class LoggedRow(NamedTuple):
    """The row that a context names: what was done with it, its place, and the bare name of its relation."""

    doing: str
    place: str
    relation: str


class LogEvent(NamedTuple):
    """The content of one line. Times by the server's clock, Unix ns; its stamps are cut to ms, so half of one is added.

    `kind`: `waiting` and `acquired` of a lock after `after_ns`; `failed`, an error of the session; `started`, the
    server restarted and its sessions have ended; `beat`, the observer's own line, with its `text`.
    """

    kind: str
    at_ns: int
    session: str
    pid: int
    database: str | None = None
    transaction: str | None = None
    application: str | None = None
    backend: str | None = None
    statement: str | None = None
    comment: str | None = None
    """The operation that a comment of the statement names."""
    mode: str = ""
    lock: str = ""
    after_ns: int = 0
    holders: tuple[int, ...] = ()
    queue: tuple[int, ...] = ()
    row: LoggedRow | None = None
    outcome: str = "unknown"
    text: str = ""

    @property
    def operation(self) -> str | None:
        return naming.operation(self.application, self.comment, self.backend)

    @property
    def began_ns(self) -> int:
        """When its wait began."""
        return self.at_ns - self.after_ns


def event(line: bytes, zone_s: int = 0, encoding: str = "utf-8") -> LogEvent | None:
    """The event of lock waits in a line; None for other lines.

    `zone_s`: how far the log's time zone is ahead of UTC; `encoding`: of the database, in which its sessions write.
    Raises ValueError for a line of lock waits that cannot be read.
    """
    if not _LOCK_LINE.search(line, 0, _HEAD):
        return None
    entry = _object(line, encoding)
    try:
        return _event(entry, str(entry["message"]), zone_s)
    except (KeyError, TypeError, IndexError) as error:
        raise ValueError(f"a log line without {error}") from None


def _object(line: bytes, encoding: str) -> dict[str, Any]:
    """The line's JSON object. Each session writes the bytes of its own database's encoding into the common log."""
    try:
        found: dict[str, Any] = orjson.loads(line)
    except orjson.JSONDecodeError:  # a ValueError
        found = orjson.loads(line.decode(encoding, "replace"))
    return found


def _event(fields: dict[str, Any], message: str, zone_s: int) -> LogEvent | None:
    if message.startswith(BEAT):
        return LogEvent("beat", _unix_ns(fields, zone_s), fields["session_id"], fields["pid"], text=message)
    if fields["error_severity"] == "LOG":
        return _of_the_servers_own(fields, message, zone_s)
    if fields["error_severity"] not in ("ERROR", "FATAL", "PANIC"):
        return None
    code = fields.get("state_code", "")
    outcome = "timed_out" if code == "57014" and "timeout" in message else _OUTCOMES.get(code, "unknown")
    at_ns, transaction = _unix_ns(fields, zone_s), fields.get("vxid")
    return LogEvent("failed", at_ns, fields["session_id"], fields["pid"], transaction=transaction, outcome=outcome)


def _of_the_servers_own(fields: dict[str, Any], message: str, zone_s: int) -> LogEvent | None:
    """Any client can write the same words there. A process logs its own waits only; that the server began anew, the
    postmaster alone."""
    if found := _WAIT.fullmatch(message):
        own = int(found[1]) == fields["pid"] and not _FUNCTION_CONTEXT.match(fields.get("context") or "")
        return _wait(fields, found, zone_s) if own else None
    if fields.get("backend_type") != "postmaster" or not message.startswith(_STARTED):
        return None
    return LogEvent("started", _unix_ns(fields, zone_s), fields["session_id"], fields["pid"])


def _wait(fields: dict[str, Any], found: re.Match[str], zone_s: int) -> LogEvent:
    pid, did, mode, lock, whole_ms, thousandths = found.groups()
    holders, queue = _queue(fields.get("detail") or "")
    statement = fields.get("statement") or ""
    return LogEvent(
        kind="acquired" if did == "acquired" else "failed" if did == "failed to acquire" else "waiting",
        at_ns=_unix_ns(fields, zone_s),
        session=fields["session_id"],
        pid=int(pid),
        database=fields.get("dbname"),
        transaction=fields.get("vxid"),
        application=fields.get("application_name"),
        backend=fields.get("backend_type"),
        statement=statement[:LONGEST_STATEMENT] or None,
        comment=naming.comment(statement[:LONGEST_STATEMENT] + statement[LONGEST_STATEMENT:][-LONGEST_STATEMENT:]),
        mode=mode,
        lock=lock,
        after_ns=int(whole_ms) * 1_000_000 + int(thousandths) * 1000,
        holders=holders,
        queue=queue,
        row=_row(fields.get("context") or ""),
    )


def _queue(detail: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
    found = _HOLDERS.search(detail, 0, 100_000)
    if not found:
        return (), ()
    holders, queue = (tuple(int(pid) for pid in text.split(",") if pid.strip()) for text in found.groups())
    return holders, queue


def _row(context: str) -> LoggedRow | None:
    found = _ROW.search(context[:2000])
    return LoggedRow(*found.groups()) if found else None


def _unix_ns(fields: dict[str, Any], zone_s: int) -> int:
    stamp = fields["timestamp"]  # 2026-11-24 15:28:20.498 UTC
    return (_unix_s(stamp[:19]) - zone_s) * 1_000_000_000 + int(stamp[20:23]) * 1_000_000 + 500_000


@lru_cache(maxsize=8)
def _unix_s(stamp: str) -> int:
    return int(datetime.fromisoformat(stamp).replace(tzinfo=UTC).timestamp())
