"""A sink as a process: `python -m loadtest.sinks.process PROVIDER FOLDER`.

It makes its certificate in FOLDER and says in one line of JSON, `Ready`, where it listens. Each line that it reads then
is answered by a line of JSON, `Taken`. It ends when its input does.
"""

import asyncio
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import msgspec
import uvloop
from msgspec import Struct

from loadtest.sinks import http1
from loadtest.sinks.apns import ApnsSink
from loadtest.sinks.certificate import make_certificate, server_context
from loadtest.sinks.counting import Counting
from loadtest.sinks.http1 import HttpSink


class Ready(Struct, frozen=True):
    """*certificate*: a file."""

    url: str
    certificate: str


async def serve(provider: str, folder: Path) -> None:
    """Until standard input ends."""
    counting = Counting()
    certificate = make_certificate(folder)
    kinds: dict[str, tuple[Callable[[], asyncio.Protocol], str | None]] = {
        "apns": (partial(ApnsSink, counting), "h2"),
        "fcm": (partial(HttpSink, http1.fcm, counting), None),
        "webpush": (partial(HttpSink, http1.webpush, counting), None),
    }
    make, alpn = kinds[provider]
    loop = asyncio.get_running_loop()
    server = await loop.create_server(make, "127.0.0.1", 0, ssl=server_context(certificate, alpn))
    _say(Ready(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}", str(certificate)))
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while await reader.readline():
        _say(counting.taken())


def _say(what: Struct) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(what) + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    uvloop.run(serve(sys.argv[1], Path(sys.argv[2])))
