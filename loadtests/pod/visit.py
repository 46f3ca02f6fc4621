"""One WebSocket's use of the service: frames in, replies out, and the end of clients that break the rules."""

import logging
import traceback
from collections import Counter
from typing import Final

from loadtests.pod.exhaustion import LocalErrors
from loadtests.pod.requests import ServiceAnswer, no, wrong
from loadtests.pod.service import CLOSE_POLICY, ClientSession, Service
from loadtests.pod.storage.contract import OutcomeUnknown, StorageConflict, StorageError, StorageUnavailable
from loadtests.pod.topics import Outlet
from loadtests.protocols.contract import Frame, ProtocolError
from loadtests.protocols.serverhalf import NO_KEY, Request, Server

CLOSE_NORMAL: Final = 1000
CLOSE_TROUBLE: Final = 1011

_FATAL = frozenset({"unauthorized", "bad_request"})
_log = logging.getLogger(__name__)


class Visit:
    """From the first frame of a WebSocket to its end. `under_way`: whether a request is being carried out."""

    __slots__ = ("_local_errors", "_outlet", "_protocol", "_requests", "_service", "session", "under_way")

    def __init__(
        self, service: Service, outlet: Outlet, requests: Counter[str], local_errors: LocalErrors | None = None
    ) -> None:
        self._service, self._outlet, self._requests = service, outlet, requests
        self._protocol: Server = service.protocol
        self._local_errors = local_errors or LocalErrors()
        self.session: ClientSession | None = None
        self.under_way = False

    async def take(self, frame: Frame) -> None:
        """Answers one frame."""
        try:
            request = self._protocol.request(frame)
        except ProtocolError as error:
            self._requests["fail"] += 1
            self._reject(error)
            return
        self.under_way = True
        try:
            await self._carry_out(request)
        finally:
            self.under_way = False

    def leave(self) -> None:
        if self.session is not None:
            self._service.leave(self.session)

    async def depart(self) -> None:
        """The client left for good."""
        if self.session is not None:
            await self._service.depart(self.session)

    def _reject(self, error: ProtocolError) -> None:
        self._reply(error.key or NO_KEY, no("bad_request", detail=str(error)))
        self._outlet.close(CLOSE_POLICY, "not a request of the protocol")

    async def _carry_out(self, request: Request) -> None:
        try:
            answer = await self._answer(request)
        except OutcomeUnknown as error:
            self._local_errors.note(error)
            answer = self._in_doubt(request)
        except StorageError as error:  # of which the host may be the cause
            answer = no("internal") if self._local_errors.note(error) else _trouble(error)
        except Exception as error:
            self._local_errors.note(error)
            _log_fault(request, error)
            answer = no("internal")
        self._reply(request.key, answer)
        self._requests[answer.outcome] += 1
        if answer.afterwards:
            await self._do_afterwards(request, answer)
        self._close_after(request, answer)

    def _reply(self, key: str, answer: ServiceAnswer) -> None:
        self._outlet.push(self._protocol.reply(key, answer.outcome, answer.error, answer.body))

    async def _answer(self, request: Request) -> ServiceAnswer:
        if error := wrong(request, self._service.limits):
            return no(error)
        if self.session is not None:
            return await self._service.handle(self.session, request)
        return await self._greet(request)

    async def _greet(self, request: Request) -> ServiceAnswer:
        if self._service.draining:
            return no("draining")
        match request.type:
            case "connection.create":
                self.session, answer = await self._service.create(request, self._outlet)
            case "connection.resume":
                self.session, answer = await self._service.resume(request, self._outlet)
            case _:
                detail = "the first request is connection.create or connection.resume"
                answer = no("bad_request", detail=detail)
        return answer

    async def _do_afterwards(self, request: Request, answer: ServiceAnswer) -> None:
        assert answer.afterwards is not None
        try:
            await answer.afterwards()
        except StorageError as error:
            self._local_errors.note(error)
            self._outlet.close(CLOSE_TROUBLE, "missed events could not be read: resume")
        except Exception as error:
            _log_fault(request, error)
            self._outlet.close(CLOSE_TROUBLE, "internal")

    def _close_after(self, request: Request, answer: ServiceAnswer) -> None:
        if request.type == "connection.close" and answer.outcome == "ok":
            self._outlet.close(CLOSE_NORMAL, "")
        elif self.session is None and answer.error in _FATAL:
            self._outlet.close(CLOSE_POLICY, answer.error)

    def _in_doubt(self, request: Request) -> ServiceAnswer:
        """Neither yes nor no would be true."""
        if self.session is not None:
            self._service.in_doubt(self.session, request)
        return ServiceAnswer("unknown", "cut_off")


def _trouble(error: StorageError) -> ServiceAnswer:
    match error:
        case StorageConflict():
            return no("storage_conflict")
        case StorageUnavailable():
            return no("storage_unavailable")
    return no("internal")


def _log_fault(request: Request, error: Exception) -> None:
    # Not the error's own message: a driver's may quote a user's text.
    places = [f"{f.filename}:{f.lineno}" for f in traceback.extract_tb(error.__traceback__)]
    _log.error("internal_error", extra={"operation": request.type, "error": type(error).__name__, "at": places[-5:]})
