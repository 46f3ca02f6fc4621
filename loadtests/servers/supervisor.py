"""The process between an owner and its server, which ensures that the server never outlives the owner.

Started by file name, by `SupervisorClient`: one file, though a long one, that needs the standard library only. Reads
one JSON order a line from standard input, answers each with one JSON line on standard output. When its standard input
closes, because the owner closed it or was killed, it ends the server at once and removes every path that it owns. A
parent-death signal alone would not do: the kernel clears it when a process changes to another user. Should the
supervisor itself be killed, the server gets one, set after that change.

| order | fields | answer |
|---|---|---|
| `own` | `paths` to remove at the end, the last one first | - |
| `port` | - | `port`, bound here until the end, so that no other process gets it while the server is down |
| `run` | `argv`, `input`, `timeout_s`, `directory` to run it in (default: `/`) | `code` (null: out of time), `output` |
| `start` | `argv`, `directory`, `log`, `quit_signal`, `lock_file` (PostgreSQL's, else null) | `pid` |
| `status` | - | `code`: null while the server runs |
| `pause` | `timeout_s` | `paused`: whether every thread of every process of the server stands still |
| `resume` | - | - |
| `cores` | `count` that the server may use, from now on and when it is started again; null: all | - |
| `end` | `signal` (null: kill the whole tree), `timeout_s` | `gone` |
"""

import contextlib
import ctypes
import errno
import json
import os
import resource
import select
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

_STEP_MS = 20
_GRACE_S = 1.0
_LAST_LOG_LINES_S = 1.0
_OPEN_FILES = 65_536
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36


class OwnerGone(Exception):
    """The other end of standard input has closed."""


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def _prepare_child(last_signal: int, cpus: set[int] | None) -> None:
    """Runs in the child after its change of user, which would have cleared the signal."""
    _prctl(_PR_SET_PDEATHSIG, last_signal)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core dump would stay behind
    _raise_open_files()
    if cpus:
        os.sched_setaffinity(0, cpus)


def _raise_open_files() -> None:
    """The soft limit up to the hard one, as far as a server can use it: each connection of it may be an open file."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, _OPEN_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _scratch_file() -> IO[bytes]:
    """In memory, where the system can: /tmp may be read-only or full."""
    if sys.platform == "linux":
        return os.fdopen(os.memfd_create("loadtests"), "w+b")
    return tempfile.TemporaryFile()


def _wait(done: Callable[[], bool], timeout_s: float) -> bool:
    """Whether `done` came true in time. Raises OwnerGone as soon as the owner is."""
    hangup = select.poll()
    hangup.register(sys.stdin, 0)
    end = time.monotonic() + timeout_s
    while not done():
        if time.monotonic() > end:
            return False
        if hangup.poll(_STEP_MS):
            raise OwnerGone
    return True


def _children(of: int | str) -> list[int]:
    try:
        return [int(pid) for path in Path(f"/proc/{of}/task").glob("*/children") for pid in path.read_text().split()]
    except OSError:  # it has just ended
        return []


def _family(pid: int) -> Iterator[int]:
    """The process and all below it, parents first."""
    yield pid
    for child in _children(pid):
        yield from _family(child)


def _threads(pid: int) -> list[int]:
    try:
        return [int(path.name) for path in Path(f"/proc/{pid}/task").iterdir()]
    except OSError:  # it has just ended
        return []


def _stands(thread: int) -> bool:
    """Whether it is stopped, or gone."""
    try:
        return Path(f"/proc/{thread}/stat").read_text().rpartition(")")[2].split()[0] in "TtZX"
    except OSError:
        return True


def _send(pid: int, what: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, what)


def _end_descendants() -> None:
    """Kills every process below this one. They all fall to us, being their subreaper, so none slips away."""
    while doomed := _children("self"):
        for pid in doomed:
            doomed += _children(pid)
            _send(pid, signal.SIGKILL)
        _reap()
        time.sleep(_STEP_MS / 1000)


def _reap() -> None:
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


@contextlib.contextmanager
def effective_user(account: tuple[int, int] | None) -> Iterator[None]:
    """File access with the rights of the account alone. For a process with one thread: the ids are the process's."""
    if account is None or os.geteuid() != 0:
        yield
        return
    groups, group = os.getgroups(), os.getegid()
    os.setgroups([])
    os.setegid(account[1])
    os.seteuid(account[0])
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(group)
        os.setgroups(groups)


def open_log(path: Path) -> int:
    """A descriptor that appends to a regular file, made when it is not there. Raises OSError for a link or a FIFO."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    descriptor = os.open(path, flags, 0o600)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is no regular file", str(path))
    os.set_blocking(descriptor, True)
    return descriptor


def free_shared_memory(lock_file: Path, user: int) -> None:
    """A killed PostgreSQL leaves a tiny System V segment behind: the seventh line of its lock file ends in the id.

    The server's `user` can write any number there: no segment is removed but one that this user made, and that no
    process has attached.
    """
    try:
        descriptor = os.open(lock_file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            regular = stat.S_ISREG(os.fstat(descriptor).st_mode)
            segment = int(file.read(4096).splitlines()[6].split()[1]) if regular else -1
        if _is_left_segment(segment, user):
            ctypes.CDLL(None).shmctl(segment, 0, None)
    except (OSError, IndexError, ValueError):  # it ended in order, and removed the file
        return


def _is_left_segment(segment: int, user: int) -> bool:
    """Whether `user` made the segment and owns it, and nothing has it attached."""
    if sys.platform != "linux":
        return os.geteuid() != 0  # the kernel checks the owner
    for line in Path("/proc/sysvipc/shm").read_text(encoding="ascii").splitlines()[1:]:
        _key, shmid, _perms, _size, _cpid, _lpid, attached, uid, _gid, cuid = map(int, line.split()[:10])
        if shmid == segment:
            return attached == 0 and uid == cuid == user
    return False


def remove(path: Path) -> None:
    """A file or a directory with all that is in it, of a link the link alone; also when it is gone already."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)  # follows no links on the way down (shutil's own guarantee on Linux)
    else:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)


class Supervisor:
    """Keeps at most one server. `account` (uid, gid) is the user of the server and its tools; None for our own."""

    def __init__(self, account: tuple[int, int] | None) -> None:
        self._account = account
        self._as: dict[str, Any] = {}
        if account is not None:
            self._as = {"user": account[0], "group": account[1], "extra_groups": []}
        # The owner has chosen what passes. Messages are read by us, so not in the user's language. The programs of
        # servers call those of the system (`rm`), independent of the user's PATH.
        path = os.pathsep.join(filter(None, [os.environ.get("PATH"), os.defpath]))
        self._environment = {**os.environ, "PATH": path, "LC_ALL": "C"}
        self._server: subprocess.Popen[bytes] | None = None
        self._ports: list[socket.socket] = []
        self._owned: list[Path] = []
        self._quit_signal = int(signal.SIGKILL)
        self._lock_file: Path | None = None
        self._cpus: set[int] | None = None

    def own(self, paths: list[str]) -> dict[str, Any]:
        self._owned += [Path(p) for p in paths]
        return {}

    def port(self) -> dict[str, Any]:
        """Both sockets allow reuse and ours never listens: the server can bind it, the kernel gives it to no other
        process."""
        held = socket.socket()
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", 0))
        self._ports.append(held)
        return {"port": held.getsockname()[1]}

    def run(self, argv: list[str], input: str, timeout_s: float, directory: str = "/") -> dict[str, Any]:
        with _scratch_file() as given, _scratch_file() as output:
            given.write(input.encode())
            given.seek(0)
            child = self._spawn(argv, directory, (given, output), signal.SIGQUIT)
            in_time = _wait(lambda: child.poll() is not None, timeout_s)
            if not in_time:
                child.kill()
                child.wait()
            output.seek(0)
            return {"code": child.returncode if in_time else None, "output": output.read().decode(errors="replace")}

    def start(
        self, argv: list[str], directory: str, log: str, quit_signal: int, lock_file: str | None
    ) -> dict[str, Any]:
        self._quit_signal, self._lock_file = quit_signal, Path(lock_file) if lock_file else None
        with effective_user(self._account):
            descriptor = open_log(Path(log))
        with os.fdopen(descriptor, "ab") as output:
            streams = (subprocess.DEVNULL, output)
            self._server = self._spawn(argv, directory, streams, quit_signal, self._cpus)
        return {"pid": self._server.pid}

    def status(self) -> dict[str, Any]:
        return {"code": self._server.poll() if self._server else 0}

    def pause(self, timeout_s: float) -> dict[str, Any]:
        return {"paused": _wait(self._stopped, timeout_s)}

    def _stopped(self) -> bool:
        """Stops those that move. A signal takes its time, and a process may have a child before it takes effect."""
        moving = [pid for pid in self._processes() if not all(map(_stands, _threads(pid)))]
        for pid in moving:
            _send(pid, signal.SIGSTOP)
        return not moving

    def resume(self) -> dict[str, Any]:
        for pid in list(self._processes()):
            _send(pid, signal.SIGCONT)
        return {}

    def _processes(self) -> Iterator[int]:
        """The server's, while it runs."""
        if self._server and self._server.poll() is None:
            yield from _family(self._server.pid)

    def cores(self, count: int | None) -> dict[str, Any]:
        """By the scheduler's word (Linux): the first so many of those that we may use ourselves."""
        usable = sorted(os.sched_getaffinity(0))
        self._cpus = set(usable[:count])
        while sum(self._confined(thread) for pid in self._processes() for thread in _threads(pid)):
            pass  # again: one may have been born meanwhile, of a parent that was not confined yet
        return {}

    def _confined(self, thread: int) -> bool:
        """Whether it had to be."""
        with contextlib.suppress(ProcessLookupError):
            if os.sched_getaffinity(thread) != self._cpus:
                os.sched_setaffinity(thread, self._cpus or ())
                return True
        return False

    def end(self, signal: int | None, timeout_s: float) -> dict[str, Any]:
        if signal is None:
            self._kill()
        elif self._server and self._server.poll() is None:
            self._server.send_signal(signal)
        return {"gone": _wait(self._gone, timeout_s)}

    def finish(self) -> None:
        """Ends the server, by a signal of its own for a second (PostgreSQL's frees its shared memory), and removes its
        files."""
        if self._server and self._server.poll() is None:
            self._server.send_signal(self._quit_signal)
            try:
                self._server.wait(_GRACE_S)
            except subprocess.TimeoutExpired:
                self._kill()
        _end_descendants()
        if self._lock_file:
            free_shared_memory(self._lock_file, self._account[0] if self._account else os.geteuid())
        for path in reversed(self._owned):
            remove(path)

    def _gone(self) -> bool:
        """Also the last of its children, which outlives it for a moment: the one that writes the log."""
        if self.status()["code"] is None:
            return False
        _reap()
        return not _children("self")

    def _kill(self) -> None:
        if self._server and self._server.poll() is None:
            self._server.kill()
            self._server.wait()
        else:
            _wait(self._gone, _LAST_LOG_LINES_S)  # one that ended by itself has logged why: let that be written
        _end_descendants()

    def _spawn(
        self,
        argv: list[str],
        directory: str,
        streams: tuple[IO[bytes] | int, IO[bytes]],
        last_signal: int,
        cpus: set[int] | None = None,
    ) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            argv,
            cwd=directory,
            env=self._environment,
            stdin=streams[0],
            stdout=streams[1],
            stderr=subprocess.STDOUT,
            preexec_fn=lambda: _prepare_child(last_signal, cpus),  # noqa: PLW1509  this process has one thread
            start_new_session=True,
            **self._as,
        )

    def answer(self, order: dict[str, Any]) -> dict[str, Any]:
        try:
            answer: dict[str, Any] = getattr(self, order.pop("do"))(**order)
        except OSError as error:
            return {"error": f"{error.strerror}: {error.filename}"}
        return answer


def main(account: list[str]) -> None:
    """`account` is uid and gid, or empty for our own."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    os.umask(0o077)  # also for the server and its tools, independent of the owner's
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    supervisor = Supervisor((int(account[0]), int(account[1])) if account else None)
    try:
        for line in iter(sys.stdin.readline, ""):
            print(json.dumps(supervisor.answer(json.loads(line))), flush=True)
    except (OwnerGone, BrokenPipeError):
        pass
    finally:
        supervisor.finish()


if __name__ == "__main__":
    main(sys.argv[1:])
