"""A reader of server-sent events at the level of the wire: bytes, chunks, fields, and nothing of our own code."""

import asyncio
import json
import socket
from collections import deque
from contextlib import suppress
from types import TracebackType
from typing import Any
from urllib.parse import urlencode, urlsplit

from tests.support.wire import ANSWER_WITHIN_S, Answer, read_answer


class StreamOver(Exception):  # noqa: N818  what the tests look for
    """The stream has ended: was it whole (its last chunk came), and what did `bye` say?"""

    def __init__(self, *, is_whole: bool, bye: dict[str, Any] | None) -> None:
        super().__init__(f"whole {is_whole}, bye {bye}")
        self.is_whole = is_whole
        self.bye = bye


class Stream:
    """One stream of a hub. Reads only when asked to: a test that does not call, does not read."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answer: Answer) -> None:
        self.answer = answer
        self.bye: dict[str, Any] | None = None
        self.comments = 0
        self.retry_ms: int | None = None
        self.last_id: str | None = None
        self.welcome: dict[str, Any] = {}
        self._reader = reader
        self._writer = writer
        self._text = b""
        self._heard: deque[dict[str, Any]] = deque()  # read while waiting for something else

    @classmethod
    async def open(
        cls,
        url: str,
        bearer: str | None,
        *,
        last_event_id: str | int | None = None,
        receive_buffer: int | None = None,
        method: str = "GET",
        **query: Any,
    ) -> "Stream":
        """Ask for the stream; `answer` is the head of what came."""
        address = urlsplit(url)
        sock = socket.socket()
        sock.setblocking(False)
        if receive_buffer is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        await asyncio.get_running_loop().sock_connect(sock, (address.hostname, address.port))
        reader, writer = await asyncio.open_connection(sock=sock)
        lines = [f"{method} /v1/events?{urlencode(query)} HTTP/1.1", f"Host: {address.netloc}"]
        lines += [f"Authorization: Bearer {bearer}"] if bearer is not None else []
        lines += [f"Last-Event-ID: {last_event_id}"] if last_event_id is not None else []
        writer.write("\r\n".join([*lines, "", ""]).encode())
        stream = cls(reader, writer, await read_answer(reader))
        if stream.answer.status != 200:
            await stream.close()
        return stream

    @classmethod
    async def log_in(cls, url: str, bearer: str, **more: Any) -> "Stream":
        """A stream that has begun, with its `welcome`."""
        stream = await cls.open(url, bearer, **more)
        assert stream.answer.status == 200, stream.answer
        stream.welcome = await stream.hear()
        assert stream.welcome["type"] == "welcome"
        assert stream.last_id is None
        return stream

    async def __aenter__(self) -> "Stream":
        return self

    async def __aexit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.cut()

    def cut(self) -> None:
        """Drop the connection without a word."""
        self._writer.transport.abort()

    async def close(self) -> None:
        """Let go of the connection."""
        self._writer.close()
        with suppress(ConnectionError):
            await self._writer.wait_closed()

    def stop_reading(self) -> None:
        """Take nothing more from the kernel, until `read_again`."""
        self._writer.transport.pause_reading()  # type: ignore[attr-defined]  # a socket's transport can

    def read_again(self) -> None:
        self._writer.transport.resume_reading()  # type: ignore[attr-defined]  # a socket's transport can

    def local_port(self) -> int:
        """Ours, by which the hub's side can be found in the kernel's tables."""
        port: int = self._writer.get_extra_info("sockname")[1]
        return port

    async def hear(self, *kinds: str, within_s: float = ANSWER_WITHIN_S) -> dict[str, Any]:
        """The next message, or the next of these *kinds* (others are kept). Raises: StreamOver, TimeoutError."""
        for message in self._heard:
            if not kinds or message["type"] in kinds:
                self._heard.remove(message)
                return message
        async with asyncio.timeout(within_s):
            while True:
                message = await self._next()
                if not kinds or message["type"] in kinds:
                    return message
                self._heard.append(message)

    async def ended(self) -> StreamOver:
        """Read to the end of the stream: how it ended."""
        try:
            while True:
                await self._next()
        except StreamOver as over:
            await self.close()
            return over

    def kept(self) -> list[dict[str, Any]]:
        """What has been read while waiting for something else, and not been asked for yet."""
        return list(self._heard)

    async def _next(self) -> dict[str, Any]:
        """The fields of the next event (HTML, section 9.2.6), checked against the message in its data."""
        while True:
            fields = {}
            for line in (await self._block()).decode().split("\n"):
                name, _, value = line.partition(":")
                fields[name] = value.removeprefix(" ")
            if "retry" in fields:
                self.retry_ms = int(fields["retry"])
            if "data" not in fields:
                self.comments += "" in fields
                continue
            message = json.loads(fields["data"])
            assert message["type"] == fields["event"]
            if "id" in fields:
                assert message["seq"] == int(fields["id"])
                self.last_id = fields["id"]
            message["has_id"] = "id" in fields
            if message["type"] == "bye":
                self.bye = message
            return dict(message)

    async def _block(self) -> bytes:
        while b"\n\n" not in self._text:
            self._text += await self._chunk()
        block, _, self._text = self._text.partition(b"\n\n")
        return block

    async def _chunk(self) -> bytes:
        try:
            size = int(await self._reader.readuntil(b"\r\n"), 16)
            chunk = (await self._reader.readexactly(size + 2))[:-2]
        except (asyncio.IncompleteReadError, ConnectionError):
            raise StreamOver(is_whole=False, bye=self.bye) from None
        if not size:
            raise StreamOver(is_whole=True, bye=self.bye)
        return chunk
