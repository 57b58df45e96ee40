"""A client at the level of the wire: bytes, frames, messages, and nothing of our own code.

What tests of the hub say and hear goes through here, so that a mistake in our own client or frame code
cannot hide one in the hub. It can also say what no decent client says.
"""

import asyncio
import json
import os
import socket
import struct
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import msgspec

TEXT, BINARY, CLOSE, PING, PONG = 0x1, 0x2, 0x8, 0x9, 0xA
JSON = "hugmood.v1.json"
MSGPACK = "hugmood.v1.msgpack"
ANSWER_WITHIN_S = 15.0


class Ended(Exception):  # noqa: N818  what the tests look for
    """The hub has ended the connection: the code of its close frame (None without one) and its `bye`."""

    def __init__(self, code: int | None, bye: dict[str, Any] | None) -> None:
        super().__init__(f"close {code}, bye {bye}")
        self.code = code
        self.bye = bye


class Answer(NamedTuple):
    """What the hub says to a handshake."""

    status: int
    headers: dict[str, str]
    body: bytes


def upgrade_request(address: str, *more: str, path: str = "/v1/socket", subprotocol: str | None = JSON) -> bytes:
    """A proper handshake (RFC 6455, section 4.1) with *more* header lines."""
    lines = [
        f"GET {path} HTTP/1.1",
        f"Host: {address}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version: 13",
        *([f"Sec-WebSocket-Protocol: {subprotocol}"] if subprotocol is not None else []),
        *more,
    ]
    return "\r\n".join([*lines, "", ""]).encode()


def build_frame(opcode: int, payload: bytes, *, fin: bool = True, masked: bool = True, reserved: int = 0) -> bytes:
    """One client frame (RFC 6455, section 5.2), right or wrong."""
    length = len(payload)
    first = (0x80 if fin else 0) | reserved << 4 | opcode
    mask_bit = 0x80 if masked else 0
    if length < 126:
        head = struct.pack("!BB", first, mask_bit | length)
    elif length < 0x1_0000:
        head = struct.pack("!BBH", first, mask_bit | 126, length)
    else:
        head = struct.pack("!BBQ", first, mask_bit | 127, length)
    if not masked:
        return head + payload
    mask = os.urandom(4)
    return head + mask + bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))


class Wire:
    """One connection to a hub. Reads only when asked to: a test that does not call, does not read."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, subprotocol: str | None, answer: Answer
    ) -> None:
        self.reader = reader
        self.writer = writer
        self.answer = answer
        self.is_binary = subprotocol == MSGPACK
        self.bye: dict[str, Any] | None = None
        self.pings = 0
        self._heard: deque[dict[str, Any]] = deque()  # read while waiting for something else
        self._refs = 0
        self.welcome: dict[str, Any] = {}

    @classmethod
    async def open(
        cls,
        url: str,
        *more: str,
        subprotocol: str | None = JSON,
        path: str = "/v1/socket",
        receive_buffer: int | None = None,
    ) -> "Wire":
        """Connect and shake hands; `answer.status` is 101 if the hub agreed. *receive_buffer*: bytes in the kernel."""
        address = urlsplit(url)
        sock = socket.socket()
        sock.setblocking(False)
        if receive_buffer is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        await asyncio.get_running_loop().sock_connect(sock, (address.hostname, address.port))
        reader, writer = await asyncio.open_connection(sock=sock)
        writer.write(upgrade_request(address.netloc, *more, path=path, subprotocol=subprotocol))
        return cls(reader, writer, subprotocol, await read_answer(reader))

    @classmethod
    async def log_in(
        cls, url: str, token: str, *, subprotocol: str | None = JSON, receive_buffer: int | None = None, **hello: Any
    ) -> "Wire":
        """A session: handshake, `hello`, `welcome` (kept as `welcome`)."""
        wire = await cls.open(url, subprotocol=subprotocol, receive_buffer=receive_buffer)
        assert wire.answer.status == 101, wire.answer
        await wire.hello(token, **hello)
        return wire

    async def __aenter__(self) -> "Wire":
        return self

    async def __aexit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.cut()

    def cut(self) -> None:
        """Drop the connection without a word."""
        self.writer.transport.abort()

    def stop_reading(self) -> None:
        """Take nothing more from the kernel, until `read_again`."""
        self.writer.transport.pause_reading()  # type: ignore[attr-defined]  # a socket's transport can

    def read_again(self) -> None:
        self.writer.transport.resume_reading()  # type: ignore[attr-defined]  # a socket's transport can

    def local_port(self) -> int:
        """Ours, by which the hub's side can be found in the kernel's tables."""
        port: int = self.writer.get_extra_info("sockname")[1]
        return port

    async def leave(self) -> None:
        """Close in good order."""
        self.write(build_frame(CLOSE, struct.pack("!H", 1000)))
        try:
            while True:
                await self.hear()
        except Ended:
            self.writer.close()

    # Saying

    def write(self, data: bytes) -> None:
        """Bytes as they are."""
        self.writer.write(data)

    def say(self, **command: Any) -> None:
        """A command, in the codec of the subprotocol. `from_` stands for `from`."""
        command = {name.rstrip("_"): value for name, value in command.items()}
        if self.is_binary:
            self.write(build_frame(BINARY, msgspec.msgpack.encode(command)))
        else:
            self.write(build_frame(TEXT, json.dumps(command, ensure_ascii=False).encode()))

    async def hello(self, token: str, device: str = "wire", **more: Any) -> dict[str, Any]:
        """Open a session; the `welcome`."""
        self.say(type="hello", token=token, device=device, **more)
        self.welcome = await self.hear("welcome")
        return self.welcome

    async def ask(self, type_: str, **fields: Any) -> dict[str, Any]:
        """A command with a `ref`; its reply. What else arrives meanwhile is kept for `hear`."""
        self._refs += 1
        self.say(type=type_, ref=self._refs, **fields)
        return await self.reply_to(self._refs)

    async def reply_to(self, ref: int | str, within_s: float = ANSWER_WITHIN_S) -> dict[str, Any]:
        """The reply to the command with that `ref`."""
        return await self._until(
            lambda message: message["type"] in ("ok", "error") and message.get("ref") == ref, within_s
        )

    # Hearing

    async def hear(self, *kinds: str, within_s: float = ANSWER_WITHIN_S) -> dict[str, Any]:
        """The next message, or the next of these *kinds* (others are kept). Raises: Ended, TimeoutError."""
        return await self._until(lambda message: not kinds or message["type"] in kinds, within_s)

    def kept(self) -> list[dict[str, Any]]:
        """What has been read while waiting for something else, and not been asked for yet."""
        return list(self._heard)

    async def ended(self) -> Ended:
        """Read to the end of the connection: how it ended."""
        try:
            while True:
                await self._read_message()
        except Ended as ended:
            return ended

    async def _until(self, is_wanted: Callable[[dict[str, Any]], bool], within_s: float) -> dict[str, Any]:
        for message in self._heard:
            if is_wanted(message):
                self._heard.remove(message)
                return message
        async with asyncio.timeout(within_s):
            while True:
                message = await self._read_message()
                if is_wanted(message):
                    return message
                self._heard.append(message)

    async def _read_message(self) -> dict[str, Any]:
        while True:
            opcode, payload = await self.read_frame()
            if opcode == PING:
                self.pings += 1
                self.write(build_frame(PONG, payload))
            elif opcode == CLOSE:
                raise Ended(int.from_bytes(payload[:2]) if payload else None, self.bye)
            elif opcode in (TEXT, BINARY):
                assert (opcode == BINARY) == self.is_binary, "the other subprotocol's kind of message"
                message = msgspec.msgpack.decode(payload) if self.is_binary else json.loads(payload)
                assert isinstance(message, dict)
                if message["type"] == "bye":
                    self.bye = message
                return message

    async def read_frame(self) -> tuple[int, bytes]:
        """One server frame; the hub's are whole and unmasked. Raises: Ended when the stream ends."""
        try:
            first, second = await self.reader.readexactly(2)
            assert first & 0x80, "the hub does not fragment"
            assert not first & 0x70, "no extension was agreed"
            assert not second & 0x80, "servers do not mask"
            length = second & 0x7F
            if length >= 126:
                length = int.from_bytes(await self.reader.readexactly(2 if length == 126 else 8))
            return first & 0x0F, await self.reader.readexactly(length)
        except (asyncio.IncompleteReadError, ConnectionError):
            raise Ended(None, self.bye) from None


async def read_answer(reader: asyncio.StreamReader) -> Answer:
    """An HTTP response's head, and its body if it is not an upgrade."""
    async with asyncio.timeout(ANSWER_WITHIN_S):
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        status, *lines = head.split("\r\n")
        headers = {}
        for line in lines:
            name, _, value = line.partition(":")
            if name:
                headers[name.lower()] = value.strip()
        code = int(status.split()[1])
        length = 0 if code == 101 else int(headers.get("content-length", 0))
        return Answer(code, headers, await reader.readexactly(length))
