"""WebSocket frames after the handshake (RFC 6455, section 5), server side, without I/O.

Invariant: what the parser hands out are whole messages and valid control frames, in the order of the
stream. The first violation ends it: `failure` says which close code the RFC asks for, and nothing
after it is parsed. A message never takes more memory than its limit.
"""

from enum import IntEnum
from typing import NamedTuple

try:
    from websockets.speedups import apply_mask
except ImportError:  # a platform without its wheel
    from websockets.utils import apply_mask

from protocol.codes import CloseCode

CONTROL_BYTES_MAX = 125


class Opcode(IntEnum):
    """RFC 6455, section 5.2."""

    CONTINUATION = 0x0
    TEXT = 0x1
    BINARY = 0x2
    CLOSE = 0x8
    PING = 0x9
    PONG = 0xA


CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = (int(opcode) for opcode in Opcode)
FIN = 0x80
_RESERVED_BITS = 0x70
_MASKED = 0x80


class Failure(NamedTuple):
    """Why the connection must be failed (RFC 6455, section 7.1.7)."""

    code: CloseCode
    reason: str


class FrameParser:
    """Client frames in, messages out. Feed it whatever arrived; it keeps what is incomplete."""

    __slots__ = ("_buffer", "_fragments", "_opcode", "_size", "failure", "max_bytes")

    def __init__(self, max_bytes: int) -> None:
        """*max_bytes*: the largest message, whether in one frame or in many."""
        self.max_bytes = max_bytes
        self.failure: Failure | None = None
        self._buffer = b""
        self._fragments: list[bytes] | None = None
        self._opcode = 0  # of the fragmented message
        self._size = 0  # of its fragments so far

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        """The messages and control frames that are complete now, as (opcode, unmasked payload).

        Text is not decoded here. After it, look at `failure`.
        """
        if self.failure is not None:
            return []
        if self._buffer:
            data = self._buffer + data
        messages: list[tuple[int, bytes]] = []
        position, end = 0, len(data)
        while end - position >= 2:
            first, second = data[position], data[position + 1]
            length = second & 0x7F
            header = 6
            if length >= 126:
                header = 8 if length == 126 else 14
                if end - position < header - 4:
                    break
                length = int.from_bytes(data[position + 2 : position + header - 4])
            if not self._accepts(first, second, length):
                break
            start = position + header
            if end < start + length:
                break
            payload = data[start : start + length]
            if payload:
                payload = apply_mask(payload, data[start - 4 : start])
            position = start + length
            if not self._take(first, payload, messages):
                break
        self._buffer = data[position:]
        return messages

    def has_more(self) -> bool:
        """Does it hold anything: part of a message, or a failure?"""
        return bool(self._buffer) or self._fragments is not None or self.failure is not None

    def _accepts(self, first: int, second: int, length: int) -> bool:
        """Judge a header before its payload is waited for. Sets `failure` and returns False on a violation."""
        opcode = first & 0x0F
        if first & _RESERVED_BITS:
            return self._fail(CloseCode.PROTOCOL_ERROR, "reserved bits are set and no extension was agreed")
        if not second & _MASKED:
            return self._fail(CloseCode.PROTOCOL_ERROR, "client frames must be masked")
        if opcode >= CLOSE:
            if opcode > PONG:
                return self._fail(CloseCode.PROTOCOL_ERROR, "unknown opcode")
            if not first & FIN:
                return self._fail(CloseCode.PROTOCOL_ERROR, "control frames must not be fragmented")
            if length > CONTROL_BYTES_MAX:
                return self._fail(CloseCode.PROTOCOL_ERROR, "control frames carry at most 125 bytes")
            return True
        if opcode > BINARY:
            return self._fail(CloseCode.PROTOCOL_ERROR, "unknown opcode")
        if (opcode == CONTINUATION) != (self._fragments is not None):
            return self._fail(CloseCode.PROTOCOL_ERROR, "continuation frames only, and only, inside a message")
        if self._size + length > self.max_bytes:
            return self._fail(CloseCode.MESSAGE_TOO_BIG, f"messages carry at most {self.max_bytes} bytes")
        return True

    def _take(self, first: int, payload: bytes, messages: list[tuple[int, bytes]]) -> bool:
        opcode = first & 0x0F
        if opcode == CLOSE:
            if not self._is_valid_close(payload):
                return False
            messages.append((opcode, payload))
        elif opcode > CLOSE or (first & FIN and self._fragments is None):
            messages.append((opcode, payload))
        elif self._fragments is None:
            self._fragments, self._opcode, self._size = [payload], opcode, len(payload)
        else:
            self._fragments.append(payload)
            self._size += len(payload)
            if len(self._fragments) > self.max_bytes:
                return self._fail(CloseCode.PROTOCOL_ERROR, "too many fragments")
            if first & FIN:
                messages.append((self._opcode, b"".join(self._fragments)))
                self._fragments, self._size = None, 0
        return True

    def _is_valid_close(self, payload: bytes) -> bool:
        """RFC 6455, section 7.4: which codes may stand in a close frame."""
        if not payload:
            return True
        code = int.from_bytes(payload[:2])
        if len(payload) == 1 or not (code in _CLOSE_CODES or 3000 <= code < 5000):
            return self._fail(CloseCode.PROTOCOL_ERROR, "not a close code")
        try:
            payload[2:].decode()
        except UnicodeDecodeError:
            return self._fail(CloseCode.INVALID_PAYLOAD, "the close reason is not UTF-8")
        return True

    def _fail(self, code: CloseCode, reason: str) -> bool:
        self.failure = Failure(code, reason)
        return False


_CLOSE_CODES = frozenset({1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014})


def frame(opcode: int, payload: bytes) -> bytes:
    """One whole, unmasked server frame: the same bytes for every recipient."""
    length = len(payload)
    if length < 126:
        return bytes((FIN | opcode, length)) + payload
    if length < 0x1_0000:
        return bytes((FIN | opcode, 126, length >> 8, length & 0xFF)) + payload
    return bytes((FIN | opcode, 127)) + length.to_bytes(8) + payload


def close_frame(code: int, reason: str = "") -> bytes:
    """A close frame; *reason* is cut at 123 bytes without splitting a character."""
    text = reason.encode()[: CONTROL_BYTES_MAX - 2].decode(errors="ignore").encode()
    return frame(CLOSE, code.to_bytes(2) + text)
