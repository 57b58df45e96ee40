"""A WebSocket client that costs next to nothing, so that what is measured is the server.

It speaks RFC 6455 without extensions. Its masking key is zero: valid, and as dear to the server as any
other, but frames can be put together beforehand.
"""

import asyncio
import base64
import os
import socket
import time
from typing import Self, cast
from urllib.parse import urlsplit

SUBPROTOCOL = "hugmood.v1.json"
OPEN_WITHIN_S = 15.0
BINARY, PONG = 0x82, 0x8A
_TEXT, _CLOSE, _PING = 0x81, 0x88, 0x89


class Lost(Exception):  # noqa: N818  what happened, not whose fault
    """The connection ended, or never came to be; the text says how."""


def client_frame(payload: bytes, opcode: int = _TEXT) -> bytes:
    """One masked frame, ready to be written."""
    length = len(payload)
    if length < 126:
        head = bytes((opcode, 0x80 | length))
    elif length < 0x1_0000:
        head = bytes((opcode, 0xFE)) + length.to_bytes(2)
    else:
        head = bytes((opcode, 0xFF)) + length.to_bytes(8)
    return head + b"\0\0\0\0" + payload


class Socket(asyncio.Protocol):
    """One connection. Subclasses say what a message means; `opened` is done when the handshake is."""

    receive_buffer = 0  # bytes that the kernel keeps for us while we do not read; 0: as many as it likes

    def __init__(self) -> None:
        self.renew()

    def renew(self) -> None:
        """Forget the connection that was, which must have ended: `open` may be called again."""
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.transport: asyncio.Transport | None = None
        self.retry_after_ms = 0  # what a server asked for that refused the handshake
        self._head: bytes | None = b""  # of the handshake's answer, until it is complete
        self._rest = b""
        self._reason = "connection lost"

    def message(self, payload: bytes, now: float) -> None:
        """One text message; *now*: `time.perf_counter()` when its bytes were read."""
        raise NotImplementedError

    def batch_done(self, now: float) -> None:
        """All that came in one read has been handed out: the moment to write in one call."""

    def write(self, data: bytes) -> None:
        """Frames, ready made. Dropped when the connection has ended."""
        if self.transport is not None and not self.transport.is_closing():
            self.transport.write(data)

    def close(self) -> None:
        """End it without a farewell."""
        if self.transport is not None:
            self.transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio: connected."""
        self.transport = cast("asyncio.Transport", transport)  # uvloop's are no subclass

    def connection_lost(self, exc: Exception | None) -> None:
        """asyncio: over."""
        reason = f"{self._reason}: {exc}" if exc else self._reason
        if not self.opened.done():
            self.opened.set_exception(Lost(reason))
        if not self.lost.done():
            self.lost.set_result(reason)

    def data_received(self, data: bytes) -> None:
        """asyncio: bytes."""
        now = time.perf_counter()
        if self._head is not None:
            data = self._shake_hands(data)
        if self._rest:
            data = self._rest + data
        position, end = 0, len(data)
        while end - position >= 2:
            start, length = position + 2, data[position + 1]
            if length >= 126:
                start += 2 if length == 126 else 8
                if end < start:
                    break
                length = int.from_bytes(data[position + 2 : start])
            stop = start + length
            if stop > end:
                break
            if data[position] == _TEXT:
                self.message(data[start:stop], now)
            else:
                self._control(data[position], data[start:stop])
            position = stop
        self._rest = data[position:]
        self.batch_done(now)

    def _shake_hands(self, data: bytes) -> bytes:
        """Take the handshake's answer; returns what came behind it."""
        assert self._head is not None  # noqa: S101  the caller looked
        head, blank, rest = (self._head + data).partition(b"\r\n\r\n")
        if not blank:
            self._head = head
            return b""
        self._head = None
        status, *fields = head.decode("latin-1").split("\r\n")
        if " 101 " in f"{status} ":
            self.opened.set_result(None)
            return rest
        seconds = [field.partition(":")[2].strip() for field in fields if field.lower().startswith("retry-after:")]
        self.retry_after_ms = next((1000 * int(each) for each in seconds if each.isdecimal()), 0)
        self._reason = f"the handshake was answered {status!r}"
        self.close()
        return b""

    def _control(self, opcode: int, payload: bytes) -> None:
        if opcode == _PING:
            self.write(client_frame(payload, PONG))
        elif opcode == _CLOSE:
            code = int.from_bytes(payload[:2]) if payload else 1005
            self._reason = f"closed with {code} {payload[2:].decode(errors='replace')!r}"
            if self.transport is not None:
                self.write(client_frame(payload[:2], _CLOSE))
                self.transport.close()

    async def open(self, url: str, source: str | None = None) -> Self:
        """Connect to *url* (http or ws), from the local address *source*. Raises: Lost."""
        parts = urlsplit(url)
        host, port = parts.hostname or "127.0.0.1", parts.port or 80
        request = (
            f"GET /v1/socket HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Protocol: {SUBPROTOCOL}\r\n\r\n"
        )
        try:
            async with asyncio.timeout(OPEN_WITHIN_S):
                await self._connect(host, port, source)
                self.write(request.encode())
                await self.opened
        except (OSError, TimeoutError) as error:
            self.close()
            raise Lost(f"cannot connect to {host}:{port}: {error or 'no answer in time'}") from error
        return self

    async def _connect(self, host: str, port: int, source: str | None) -> None:
        loop = asyncio.get_running_loop()
        local = (source, 0) if source else None
        if not self.receive_buffer:
            await loop.create_connection(lambda: self, host, port, local_addr=local)
            return
        sock = socket.socket()
        try:
            sock.setblocking(False)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self.receive_buffer)  # before the window is announced
            if local:
                sock.bind(local)
            await loop.sock_connect(sock, (host, port))
            await loop.create_connection(lambda: self, sock=sock)
        except BaseException:
            sock.close()
            raise
