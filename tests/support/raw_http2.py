"""A server that says what it is told to, byte for byte, over TLS with HTTP/2 agreed on."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from hpack import Encoder
from hyperframe.frame import Frame, HeadersFrame, SettingsFrame

from tests.support.certificates import Authority, server_context

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SETTINGS = SettingsFrame(0).serialize()


def frames(*those: Frame) -> bytes:
    return b"".join(frame.serialize() for frame in those)


def headers(stream: int, *pairs: tuple[str, str], is_end: bool = True) -> HeadersFrame:
    """Without any state: each can stand alone."""
    flags = ["END_HEADERS", *(["END_STREAM"] if is_end else [])]
    return HeadersFrame(stream, data=Encoder().encode(pairs), flags=flags)


@asynccontextmanager
async def saying(authority: Authority, at_once: bytes, then: Sequence[bytes] = ()) -> AsyncIterator[str]:
    """Its URL. *at_once*: as soon as somebody connects; *then*: the first as stream 1 is opened, the next at stream 3 …"""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(at_once)
        waiting = list(then)
        try:
            await reader.readexactly(len(PREFACE))
            while True:
                head = await reader.readexactly(9)
                await reader.readexactly(int.from_bytes(head[:3]))
                if head[3] == HeadersFrame.type and waiting:
                    writer.write(waiting.pop(0))
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.transport.abort()

    tls = server_context(authority, alpn=["h2"])
    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    try:
        yield f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
