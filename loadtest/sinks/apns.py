"""A sink for APNs: as much of HTTP/2 as a client needs that is to be answered 200, and so little that it is not what is measured.

Frames are read by hand: a server on h2 takes about as long for a push as the client does.
"""

import asyncio
from typing import cast

from hpack import Decoder
from hyperframe.frame import SettingsFrame, WindowUpdateFrame

from loadtest.sinks.counting import Counting

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
STREAMS_MAX = 1_000  # as APNs
WINDOW_BYTES = 1 << 30  # given to the client at once, so that nothing has to be given back soon
_DATA, _HEADERS, _SETTINGS, _PING = 0x0, 0x1, 0x4, 0x6
_END_STREAM, _ACK, _PADDED_OR_PRIORITY = 0x1, 0x1, 0x28
_STATUS_200 = b"\x88"  # as RFC 7541 has it in its table


class ApnsSink(asyncio.Protocol):
    """One connection."""

    def __init__(self, counting: Counting) -> None:
        self._counting = counting
        self._decoder = Decoder()
        self._rest = b""
        self._is_begun = False
        self._devices: dict[int, bytes] = {}
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The server's settings come first."""
        self._transport = cast("asyncio.Transport", transport)
        settings = SettingsFrame(0, settings={SettingsFrame.MAX_CONCURRENT_STREAMS: STREAMS_MAX})
        window = WindowUpdateFrame(0, window_increment=WINDOW_BYTES)
        self._transport.write(settings.serialize() + window.serialize())

    def data_received(self, data: bytes) -> None:
        """Whole frames of it are answered in one write."""
        data = self._rest + data
        at = 0
        if not self._is_begun:
            if len(data) < len(PREFACE):
                self._rest = data
                return
            self._is_begun, at = True, len(PREFACE)
        answers: list[bytes] = []
        while len(data) - at >= 9:
            length = int.from_bytes(data[at : at + 3])
            if len(data) - at < 9 + length:
                break
            stream = int.from_bytes(data[at + 5 : at + 9])
            answers.append(self._frame(data[at + 3], data[at + 4], stream, data[at + 9 : at + 9 + length]))
            at += 9 + length
        self._rest = data[at:]
        if (answer := b"".join(answers)) and self._transport is not None:
            self._transport.write(answer)

    def _frame(self, kind: int, flags: int, stream: int, payload: bytes) -> bytes:
        if kind == _HEADERS:
            if flags & _PADDED_OR_PRIORITY:
                raise NotImplementedError("padding and priorities, which APNs has no use for either")
            headers = dict(self._decoder.decode(payload, raw=True))
            self._devices[stream] = headers[b":path"]
        elif kind == _DATA and flags & _END_STREAM:
            self._counting.push(self._devices.pop(stream))
            return (
                b"\0\0\x01\x01\x05" + stream.to_bytes(4) + _STATUS_200
            )  # HEADERS that end both: themselves, the stream
        elif kind == _PING and not flags & _ACK:
            return b"\0\0\x08\x06\x01\0\0\0\0" + payload
        elif kind == _SETTINGS and not flags & _ACK:
            return b"\0\0\0\x04\x01\0\0\0\0"
        return b""
