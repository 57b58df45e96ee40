"""What a provider is asked with, against servers that no provider would be."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest
from yarl import URL

from workers.push.posting import ANSWER_MAX_BYTES, NoReply, Poster

pytestmark = pytest.mark.integration

Answering = Callable[[asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def server(answer: Answering) -> AsyncIterator[URL]:
    """Whatever is asked, *answer* writes something."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            await reader.readuntil(b"\r\n\r\n")
            await answer(writer)
        writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with listening:
        yield URL(f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/x")


async def flood(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 400 No\r\nTransfer-Encoding: chunked\r\nRetry-After: 7\r\n\r\n")
    while True:  # until whoever asked hangs up
        writer.write(b"1000\r\n" + b"x" * 4_096 + b"\r\n")
        await writer.drain()


async def test_of_an_answer_without_an_end_the_beginning_is_read() -> None:
    async with server(flood) as url, Poster() as poster:
        reply = await poster.post(url, b"{}", {}, within_s=30)
    assert (reply.status, reply.retry_after_s) == (400, 7.0)
    assert reply.body == b"x" * ANSWER_MAX_BYTES


@pytest.mark.parametrize(
    "answer", [b"", b"\0\0\0", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{", b"HTTP/2 what\r\n\r\n"]
)
async def test_what_is_no_answer_may_have_been_delivered(answer: bytes) -> None:
    async def say(writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        await writer.drain()

    async with server(say) as url, Poster() as poster:
        with pytest.raises(NoReply) as caught:
            await poster.post(url, b"{}", {}, within_s=30)
    assert caught.value.is_silent
    assert str(url) not in str(caught.value)


async def test_an_unknown_host_was_not_asked() -> None:
    async with Poster() as poster:
        with pytest.raises(NoReply) as caught:
            await poster.post(URL("http://no-such-host.invalid/secret"), b"{}", {}, within_s=30)
    assert not caught.value.is_silent
    assert "secret" not in str(caught.value)
