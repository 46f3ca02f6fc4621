"""Bytes of an open WebSocket ↔ messages, from the client's side, without I/O.

Whole, unfragmented text frames, which is nearly all of them, are made and cut out here; `websockets`' Sans-I/O protocol
handles every other frame. That saves 5 µs of its 7 µs a round trip (measured).
"""

from random import getrandbits
from typing import Final

from websockets.frames import Frame, Opcode
from websockets.protocol import OPEN, Protocol, Side
from websockets.speedups import apply_mask

from loadtests.sanitize import sanitize

MAX_MESSAGE_BYTES: Final = 1 << 20
"""A longer message breaks the connection."""

FRAME_COST: Final = 256
"""What a frame counts beside its bytes: memory and time that an empty one takes, too."""

MAX_COST_WITHOUT_MESSAGE: Final = 2 * MAX_MESSAGE_BYTES
"""Control frames and fragments that may come, at their cost, before a message is complete: 1 MB in 4,000 fragments, or
a ping a second through two hours without a message. More breaks the connection: empty fragments without end would
fill the memory, and pings without end take all of a processor."""

_LONGEST_REASON: Final = 200
_DATA: Final = frozenset({Opcode.TEXT, Opcode.BINARY, Opcode.CONT})


def text_frame(payload: bytes) -> bytes:
    """A whole masked text frame, as a client sends it."""
    # The mask hides payloads from careless proxies; a load generator need not keep it from a browser's attacker.
    mask = getrandbits(32).to_bytes(4, "big")
    size = len(payload)
    if size < 126:
        return b"\x81" + (0x80 | size).to_bytes(1, "big") + mask + apply_mask(payload, mask)
    if size < 65536:
        return b"\x81\xfe" + size.to_bytes(2, "big") + mask + apply_mask(payload, mask)
    return b"\x81\xff" + size.to_bytes(8, "big") + mask + apply_mask(payload, mask)


def whole_texts(data: bytes) -> tuple[list[bytes], bytes]:
    """The payloads of the short whole text frames that `data` begins with, and what follows them."""
    messages = []
    position, end = 0, len(data)
    while end - position > 2 and data[position] == 0x81:
        size, start = data[position + 1], position + 2
        if size == 126 and end - position > 4:
            size, start = int.from_bytes(data[position + 2 : position + 4], "big"), position + 4
        elif size > 125:
            break
        if start + size > end:
            break
        position = start + size
        messages.append(data[start:position])
    return messages, data[position:]


class Incoming:
    """What one side of a WebSocket has received. `unusual` tells that the last bytes were more than whole text frames:
    `answers`, `closed` and `broken` are worth a look."""

    __slots__ = ("_cost", "_fragments", "_protocol", "_unaccounted", "broken", "closed", "controls", "unusual")

    def __init__(self) -> None:
        self._protocol = Protocol(Side.CLIENT, max_size=MAX_MESSAGE_BYTES)
        # Bytes given to the protocol that no frame has accounted for yet: at 0 it stands between two frames.
        self._unaccounted = 0
        self._fragments: list[bytes] = []
        self._cost = 0
        self.unusual = False
        self.controls = 0
        """Control frames so far; the reader may set it back."""
        self.closed = ""
        """What the other side said when it closed; empty while it has not."""
        self.broken = ""
        """How the other side broke the protocol; empty while it has not."""

    def receive(self, data: bytes) -> list[bytes]:
        """The messages that these bytes complete; b"" is the end of the stream."""
        messages: list[bytes] = []
        if data and not self._unaccounted and not self._fragments:
            messages, data = whole_texts(data)
            if messages:
                self._cost = 0
            if not data:
                self.unusual = False
                return messages
        self.unusual = True
        self._feed(data)
        return messages + self._completed()

    def answers(self) -> bytes:
        """What the protocol wants to be sent: pongs, the other half of a closing handshake."""
        return b"".join(self._protocol.data_to_send())

    def goodbye(self, code: int = 1000) -> bytes:
        """The frame that begins the closing handshake; nothing when the pod began it before us."""
        if self._protocol.state is OPEN:
            self._protocol.send_close(code)
        return self.answers()

    def _feed(self, data: bytes) -> None:
        if data:
            self._protocol.receive_data(data)
            self._unaccounted += len(data)
        else:
            self._protocol.receive_eof()

    def _completed(self) -> list[bytes]:
        messages: list[bytes] = []
        for frame in self._protocol.events_received():
            # A client's protocol that is open receives nothing but frames.
            assert isinstance(frame, Frame)
            self._unaccounted -= _frame_bytes(frame)
            self._take(frame, messages)
            if self._cost > MAX_COST_WITHOUT_MESSAGE:
                self.broken = "control frames or fragments without end, and no message"
                return messages
        error = self._protocol.parser_exc
        if error is not None and not isinstance(error, EOFError):
            self.broken = sanitize(str(error), _LONGEST_REASON)
        return messages

    def _take(self, frame: Frame, messages: list[bytes]) -> None:
        self._cost += len(frame.data) + FRAME_COST
        if frame.opcode in _DATA:
            self._fragments.append(bytes(frame.data))
            if frame.fin:
                messages.append(b"".join(self._fragments))
                self._fragments = []
                self._cost = 0
            return
        self.controls += 1
        if frame.opcode is Opcode.CLOSE:
            self.closed = sanitize(str(self._protocol.close_rcvd), _LONGEST_REASON)


def _frame_bytes(frame: Frame) -> int:
    size = len(frame.data)
    return size + (2 if size < 126 else 4 if size < 65536 else 10)
