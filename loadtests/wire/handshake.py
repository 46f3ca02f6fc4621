"""`open_websocket`, for greenlets."""

import ssl
from collections.abc import Sequence

import gevent

from loadtests.wire.greenlets import GreenletWaiting
from loadtests.wire.opening import Opening, parsed
from loadtests.wire.transport import Transport

_WAITING = GreenletWaiting()


def open_websocket(
    url: str, timeout_s: float, tls: ssl.SSLContext | None, networks: Sequence[str] = ()
) -> tuple[Transport, bytes]:
    """A transport on which both sides have agreed to speak WebSocket, and the bytes that came behind the agreement.

    `networks`: where its host may be, anywhere when empty. Raises ConnectionFailed, at the latest after `timeout_s`;
    ValueError when the URL is not ws:// or wss://.
    """
    opening = Opening(parsed(url), tls, _WAITING, networks)
    deadline = gevent.Timeout.start_new(timeout_s)
    try:
        return opening.run()
    except gevent.Timeout as timeout:
        if timeout is not deadline:
            raise
        raise opening.timed_out(timeout_s) from None
    finally:
        deadline.close()
