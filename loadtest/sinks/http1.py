"""Sinks for FCM and Web Push: HTTP/1.1 over kept connections, every request answered as if it had been delivered."""

import asyncio
from collections.abc import Callable
from typing import cast

import msgspec
from msgspec import Struct

from loadtest.sinks.counting import Counting

TOKEN_PATH = b"/token"
Answer = Callable[[bytes, bytes, Counting], bytes]  # to a request: path, body


class _Message(Struct):
    token: str


class _Sent(Struct):
    message: _Message


_decoder = msgspec.json.Decoder(_Sent)


def _answer(status: bytes, body: bytes, more: bytes = b"") -> bytes:
    return b"HTTP/1.1 %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\n%b\r\n%b" % (
        status,
        len(body),
        more,
        body,
    )


_ACCESS = _answer(b"200 OK", b'{"access_token":"sink","expires_in":3600,"token_type":"Bearer"}')
_NAMED = _answer(b"200 OK", b'{"name":"projects/sink/messages/1"}')
_CREATED = _answer(b"201 Created", b"", b"Location: /m/1\r\n")


def fcm(path: bytes, body: bytes, counting: Counting) -> bytes:
    """The token endpoint of Google, and FCM."""
    if path == TOKEN_PATH:
        return _ACCESS
    counting.push(_decoder.decode(body).message.token.encode())
    return _NAMED


def webpush(path: bytes, _body: bytes, counting: Counting) -> bytes:
    """A push service: what is in a push only the browser can read, so each subscription is known by its endpoint."""
    counting.push(path)
    return _CREATED


class HttpSink(asyncio.Protocol):
    """One connection."""

    def __init__(self, answer: Answer, counting: Counting) -> None:
        self._answer = answer
        self._counting = counting
        self._rest = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio: open."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Whole requests of it are answered."""
        data = self._rest + data
        while (end := data.find(b"\r\n\r\n")) >= 0:
            head = data[:end]
            _, _, length = head.lower().partition(b"\r\ncontent-length:")
            until = end + 4 + int(length.split(b"\r\n", 1)[0])
            if len(data) < until:
                break
            answer = self._answer(head.split(b" ", 2)[1], data[end + 4 : until], self._counting)
            if self._transport is not None:
                self._transport.write(answer)
            data = data[until:]
        self._rest = data
