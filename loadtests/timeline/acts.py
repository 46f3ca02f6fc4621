"""What each action does. An act ends when its effect does; whatever it broke it mends, also when it is cancelled."""

import asyncio
import os
import signal
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from typing import IO, Any, Final, TypeVar

from loadtests.environment import user_environment, user_umask
from loadtests.scenario import (
    Action,
    Cut,
    Hold,
    Http,
    Kill,
    Maintain,
    Migrate,
    Pause,
    Recreate,
    Relock,
    Resize,
    Run,
    Sweep,
)
from loadtests.servers.errors import ServerUnavailable
from loadtests.timeline.context import ActionFailed, Database, Found, Pod, Surroundings
from loadtests.timeline.control import call, control
from loadtests.timeline.db_sessions import holding, maintain

T = TypeVar("T")

_LAST_WORDS: Final = 500

TAKEN: Final = ("connections", "open_files")
"""What a server takes after it was resized, of all that it reports."""


async def carry_out(action: Action, around: Surroundings) -> Found:
    """Does it, from beginning to end; returns what it has to tell. Raises ActionFailed."""
    try:
        return await ACTS[type(action)](action, around)
    except ServerUnavailable as error:
        raise ActionFailed(str(error).splitlines()[0].rstrip(":")) from error  # its log is not for a table
    except TimeoutError as error:
        raise ActionFailed("it was not done in time and was cut off") from error


async def _migrate(action: Migrate, around: Surroundings) -> Found:
    """Every pod is told, also when another one fails: they are moved by themselves."""
    moves = [_move(pod, action, around) for pod in around.chosen_pods(action.pods)]
    answers = await asyncio.gather(*moves, return_exceptions=True)
    if failures := [answer for answer in answers if isinstance(answer, BaseException)]:
        raise next((f for f in failures if not isinstance(f, ActionFailed)), None) or ActionFailed(
            "; ".join(str(failure) for failure in failures)
        )
    return added([answer for answer in answers if not isinstance(answer, BaseException)])


async def _move(pod: Pod, action: Migrate, around: Surroundings) -> dict[str, Any]:
    try:
        answer = await control(pod, "/storage", {"to": action.to, "share": action.share})
    except BaseException:
        await around.hands.in_doubt(pod.name)
        raise
    await around.hands.moved(pod.name, action.to, action.share)
    return answer


async def _relock(action: Relock, around: Surroundings) -> Found:
    pods = around.chosen_pods(action.pods)
    body: dict[str, Any] = {"locking": action.locking}
    if action.database is not None:
        body["database"] = action.database
    # One after another: each alters the same tables, and one that finds it done has nothing left to do.
    return added([await control(pod, "/locking", body) for pod in pods])


async def _sweep(action: Sweep, around: Surroundings) -> Found:
    return added(await _each(around.chosen_pods(action.pods), "/sweep", {}))


async def _each(pods: Sequence[Pod], path: str, body: Mapping[str, Any]) -> list[dict[str, Any]]:
    return list(await asyncio.gather(*(control(pod, path, body) for pod in pods)))


async def _hold(action: Hold, around: Surroundings) -> Found:
    pods = around.chosen_pods(action.pods)
    async with AsyncExitStack() as held:
        found = []
        for database in around.chosen_databases(action.database, pods):
            accounts = [account for pod in pods if database.name in pod.databases.values() for account in pod.accounts]
            if accounts:
                found.append(await held.enter_async_context(holding(database, action.operation, accounts)))
        await asyncio.sleep(action.for_s)
    return added(found)


async def _maintain(action: Maintain, around: Surroundings) -> Found:
    databases = around.chosen_databases(action.database, list(around.pods.values()))
    todo = [(d, action.statements[d.engine]) for d in databases if d.engine in action.statements]
    async with asyncio.timeout(action.within_s):
        for database, statements in todo:
            await maintain(database, statements)
    return {"databases": len(todo)}


async def _resize(action: Resize, around: Surroundings) -> Found:
    taken: Found = {}
    for database in around.chosen_databases(action.database, list(around.pods.values())):
        server = _server(database)
        async with around.hands.stricken(database.name):
            await wholly(asyncio.to_thread(server.resize, action.connections, action.memory_mb, action.cores))
        taken[database.name] = {name: server.limits[name] for name in TAKEN if name in server.limits}
    return taken


async def _recreate(action: Recreate, around: Surroundings) -> Found:
    for database in around.chosen_databases(action.database, list(around.pods.values())):
        await wholly(_recreate_one(database, around))
    return {}


async def _recreate_one(database: Database, around: Surroundings) -> None:
    """Without tables nobody could use it, or read it at the end."""
    async with around.hands.stricken(database.name):
        await asyncio.to_thread(_server(database).recreate)
    for pod in around.pods.values():
        for role in (role for role, name in pod.databases.items() if name == database.name):
            await control(pod, "/schema", {"database": role})


async def wholly(doing: Awaitable[T]) -> T:
    """Awaits what cannot be stopped half-way; a cancel that comes meanwhile has to wait for its end, and gives way to
    what went wrong with it."""
    task = asyncio.ensure_future(doing)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task})
        task.result()
        raise


def _server(database: Database) -> Any:
    if database.server is None:
        raise ActionFailed(f"{database.name} is a file, not a server")
    return database.server


async def _kill(action: Kill, around: Surroundings) -> Found:
    if action.worker:
        os.kill(await around.hands.last_worker(), signal.SIGKILL)
        return {}
    async with AsyncExitStack() as struck:
        for pod in action.pods:
            await struck.enter_async_context(_dead_pod(pod, around))
        for database in _named(action.database, around):
            await struck.enter_async_context(_dead_server(database, around))
        await (asyncio.sleep(action.for_s) if action.for_s is not None else asyncio.Event().wait())
    return {}


@asynccontextmanager
async def _dead_pod(name: str, around: Surroundings) -> AsyncIterator[None]:
    async with around.hands.stricken(name):
        try:
            await around.hands.kill_pod(name)
            yield
        finally:
            await wholly(around.hands.start_pod(name))


@asynccontextmanager
async def _dead_server(database: Database, around: Surroundings) -> AsyncIterator[None]:
    server = _server(database)
    async with around.hands.stricken(database.name):
        try:
            await wholly(asyncio.to_thread(server.kill))
            yield
        finally:
            await wholly(asyncio.to_thread(server.start))  # which includes the recovery from its log


async def _pause(action: Pause, around: Surroundings) -> Found:
    async with AsyncExitStack() as paused:
        if action.worker:
            await paused.enter_async_context(_paused(partial(_signal, await around.hands.last_worker())))
        for pod in action.pods:
            await paused.enter_async_context(_paused(partial(around.hands.signal_pod, pod)))
        for database in _named(action.database, around):
            await paused.enter_async_context(_paused_server(database))
        await asyncio.sleep(action.for_s)
    return {}


@asynccontextmanager
async def _paused(send: Callable[[int], Awaitable[None]]) -> AsyncIterator[None]:
    try:
        await send(signal.SIGSTOP)
        yield
    finally:
        await send(signal.SIGCONT)


async def _signal(pid: int, number: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


@asynccontextmanager
async def _paused_server(database: Database) -> AsyncIterator[None]:
    server = _server(database)
    try:
        await wholly(asyncio.to_thread(server.pause))
        yield
    finally:
        await wholly(asyncio.to_thread(server.resume))


def _named(database: str | None, around: Surroundings) -> list[Database]:
    """What was named, or nothing: to kill "the only one there is" takes its name."""
    return around.chosen_databases(database, list(around.pods.values())) if database else []


async def _cut(action: Cut, around: Surroundings) -> Found:
    pods = around.chosen_pods(action.pods)
    chosen = {database.name for database in around.chosen_databases(action.database, pods)}
    ways = [(pod.name, name) for pod in pods for name in pod.databases.values() if name in chosen]
    try:
        for pod, database in ways:
            await around.hands.cut(pod, database, action.how)
        await asyncio.sleep(action.for_s)
    finally:
        for pod, database in ways:
            with suppress(ActionFailed):  # the others have to be mended all the same
                await around.hands.cut(pod, database, "pass")
    return {"connections_between": len(ways)}


async def _run(action: Run, around: Surroundings) -> Found:
    with tempfile.TemporaryFile() as said:
        process = await asyncio.create_subprocess_exec(
            *action.command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=said,
            stderr=asyncio.subprocess.STDOUT,
            env=user_environment(),
            umask=user_umask(),
            start_new_session=True,
        )
        try:
            async with around.hands.guarded(process.pid), asyncio.timeout(action.within_s):
                code = await process.wait()
        finally:
            if process.returncode is None:
                _kill_group(process.pid)
                await process.wait()
        if code != 0:
            raise ActionFailed(f"{action.command[0]} ended with exit code {code}{_last_words(said)}")
    return {"exit_code": 0}


def _kill_group(group: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)


def _last_words(said: IO[bytes]) -> str:
    said.seek(max(said.seek(0, os.SEEK_END) - 4 * _LAST_WORDS, 0))
    last = said.read(4 * _LAST_WORDS).decode(errors="replace").strip()[-_LAST_WORDS:]
    return f": {last}" if last else ""


async def _http(action: Http, around: Surroundings) -> Found:
    return await call(action.method, action.url, action.headers, action.body, action.within_s, around.networks)


def added(answers: Sequence[Mapping[str, Any]]) -> Found:
    """What several pods told, numbers added up, also those inside; what is no number is the first one's. Pure."""
    total: Found = {}
    for answer in answers:
        for name, value in answer.items():
            if isinstance(value, Mapping):
                total[name] = added([total.get(name, {}), value])
            elif isinstance(value, int | float) and not isinstance(value, bool) and name != "share":
                total[name] = total.get(name, 0) + value
            else:
                total.setdefault(name, value)
    return total


ACTS: Final[Mapping[type, Callable[[Any, Surroundings], Awaitable[Found]]]] = {
    Migrate: _migrate,
    Relock: _relock,
    Hold: _hold,
    Maintain: _maintain,
    Resize: _resize,
    Sweep: _sweep,
    Recreate: _recreate,
    Kill: _kill,
    Pause: _pause,
    Cut: _cut,
    Run: _run,
    Http: _http,
}
