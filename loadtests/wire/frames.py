"""Bytes of an open WebSocket ↔ messages, from the client's side, without I/O.

Whole, unfragmented data frames, which is nearly all of them, are made and cut out here; `websockets`' Sans-I/O protocol
handles every other frame. That saves 5 µs of its 7 µs a round trip (measured).
"""

from random import getrandbits
from typing import Final

from websockets.frames import Frame as WireFrame
from websockets.frames import Opcode
from websockets.protocol import OPEN, Protocol, Side
from websockets.speedups import apply_mask

from loadtests.protocols.contract import Frame
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
_SHORT: Final = [bytes((0x80 | size,)) for size in range(126)]
"""The second byte of a short masked frame, by its size."""

_TEXT, _BINARY = 0x81, 0x82
"""First bytes of whole frames."""

_DATA: Final = frozenset({Opcode.TEXT, Opcode.BINARY, Opcode.CONT})


def client_frame(message: Frame) -> bytes:
    """A whole masked frame, as a client sends it: of text for str, binary for bytes."""
    # The mask hides payloads from careless proxies; a load generator need not keep it from a browser's attacker.
    mask = getrandbits(32).to_bytes(4, "big")
    if isinstance(message, str):
        first, payload = b"\x81", message.encode()
    else:
        first, payload = b"\x82", message
    size = len(payload)
    if size < 126:
        return first + _SHORT[size] + mask + apply_mask(payload, mask)
    if size < 65536:
        return first + b"\xfe" + size.to_bytes(2, "big") + mask + apply_mask(payload, mask)
    return first + b"\xff" + size.to_bytes(8, "big") + mask + apply_mask(payload, mask)


def message_bytes(message: Frame) -> int:
    return len(message) if isinstance(message, bytes) or message.isascii() else len(message.encode())


def whole_messages(data: bytes) -> tuple[list[Frame], bytes]:
    """The messages in the short whole frames that `data` begins with, and what follows them. Text that is not UTF-8
    is left over, for the protocol to refuse."""
    messages: list[Frame] = []
    position, end = 0, len(data)
    while end - position > 2 and ((first := data[position]) == _TEXT or first == _BINARY):
        size, start = data[position + 1], position + 2
        if size == 126 and end - position > 4:
            size, start = int.from_bytes(data[position + 2 : position + 4], "big"), position + 4
        elif size > 125:
            break
        if start + size > end:
            break
        payload = data[start : start + size]
        try:
            messages.append(payload.decode() if first == _TEXT else payload)
        except UnicodeDecodeError:
            break
        position = start + size
    return messages, data[position:]


class Incoming:
    """What one side of a WebSocket has received. `unusual`: the last bytes were more than whole data frames, so that
    `answers`, `closed` and `broken` may have changed."""

    __slots__ = ("_cost", "_fragments", "_protocol", "_text", "_unaccounted", "broken", "closed", "controls", "unusual")

    def __init__(self) -> None:
        self._protocol = Protocol(Side.CLIENT, max_size=MAX_MESSAGE_BYTES)
        # Bytes given to the protocol that no frame has accounted for yet: at 0 it stands between two frames.
        self._unaccounted = 0
        self._fragments: list[bytes] = []
        self._text = False
        self._cost = 0
        self.unusual = False
        self.controls = 0
        """Control frames so far; the reader may set it back."""
        self.closed = ""
        """Code and reason of the other side's close frame; empty while there is none."""
        self.broken = ""
        """How the other side broke the protocol; empty while it has not."""

    def receive(self, data: bytes) -> list[Frame]:
        """The messages that these bytes complete; b"" is the end of the stream."""
        messages: list[Frame] = []
        if data and not self._unaccounted and not self._fragments:
            messages, data = whole_messages(data)
            if messages:
                self._cost = 0
            if not data:
                self.unusual = False
                return messages
        self.unusual = True
        if data:
            self._protocol.receive_data(data)
            self._unaccounted += len(data)
        else:
            self._protocol.receive_eof()
        return messages + self._completed()

    def answers(self) -> bytes:
        """What the protocol wants to be sent: pongs, the other half of a closing handshake."""
        return b"".join(self._protocol.data_to_send())

    def goodbye(self, code: int = 1000) -> bytes:
        """The frame that begins the closing handshake; nothing when the pod began it before us."""
        if self._protocol.state is OPEN:
            self._protocol.send_close(code)
        return self.answers()

    def _completed(self) -> list[Frame]:
        messages: list[Frame] = []
        for frame in self._protocol.events_received():
            # A client's protocol that is open receives nothing but frames.
            assert isinstance(frame, WireFrame)
            self._unaccounted -= _frame_bytes(frame)
            self._take(frame, messages)
            if self.broken:
                return messages
            if self._cost > MAX_COST_WITHOUT_MESSAGE:
                self.broken = "control frames or fragments without end, and no message"
                return messages
        error = self._protocol.parser_exc
        if error is not None and not isinstance(error, EOFError):
            self.broken = sanitize(str(error), _LONGEST_REASON)
        return messages

    def _take(self, frame: WireFrame, messages: list[Frame]) -> None:
        self._cost += len(frame.data) + FRAME_COST
        if frame.opcode in _DATA:
            if frame.opcode is not Opcode.CONT:
                self._text = frame.opcode is Opcode.TEXT
            self._fragments.append(bytes(frame.data))
            if frame.fin:
                self._complete(messages)
            return
        self.controls += 1
        if frame.opcode is Opcode.CLOSE:
            self.closed = sanitize(str(self._protocol.close_rcvd), _LONGEST_REASON)

    def _complete(self, messages: list[Frame]) -> None:
        payload, self._fragments, self._cost = b"".join(self._fragments), [], 0
        try:
            messages.append(payload.decode() if self._text else payload)
        except UnicodeDecodeError as error:
            self.broken = f"text that is not UTF-8: {error.reason}"


def _frame_bytes(frame: WireFrame) -> int:
    size = len(frame.data)
    return size + (2 if size < 126 else 4 if size < 65536 else 10)
