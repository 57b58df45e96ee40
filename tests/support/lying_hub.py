"""A hub that keeps just those promises that a test lets it keep: real sockets, and messages byte for byte as hubs write them.

A token is the user's id. Every connection is on another node than the one before.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from loadtest.clients.people import Person
from loadtest.scenario import Load, Orders
from protocol.frames import TEXT, FrameParser, frame

Command = dict[str, Any]


class Line:
    """One connection that has said hello."""

    def __init__(self, writer: asyncio.StreamWriter, user: str) -> None:
        self.user = user
        self._writer = writer

    def say(self, text: str) -> None:
        """One message."""
        self._writer.write(frame(TEXT, text.encode()))

    def ok(self, command: Command) -> None:
        """Answer it."""
        self.say(f'{{"type":"ok","ref":{command["ref"]}}}')

    def hang_up(self) -> None:
        """Without a word."""
        self._writer.transport.abort()


class LyingHub:
    """*on_command* is told everything but `hello`. *lines*: by user."""

    def __init__(self, on_command: "Callable[[LyingHub, Line, Command], None]") -> None:
        self.url = ""
        self.lines: dict[str, Line] = {}
        self._on_command = on_command
        self._opened = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until its end."""
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\n\r\n")
        parser, line = FrameParser(1 << 20), None
        try:
            while data := await reader.read(1 << 16):
                for opcode, payload in parser.feed(data):
                    command = json.loads(payload) if opcode == TEXT else {}
                    if line is not None and command:
                        self._on_command(self, line, command)
                    elif command:
                        line = self._welcome(writer, command["token"])
        except ConnectionError:
            pass
        finally:
            writer.close()

    def _welcome(self, writer: asyncio.StreamWriter, user: str) -> Line:
        line = self.lines[user] = Line(writer, user)
        friends = ",".join(f'{{"user":"{each}","status":"online"}}' for each in self.lines if each != user)
        self._opened += 1
        line.say(f'{{"type":"welcome","node":"n{self._opened}","epoch":"e","head":0,"friends":[{friends}]}}')
        return line


@asynccontextmanager
async def lying_hub(on_command: Callable[[LyingHub, Line, Command], None]) -> AsyncIterator[LyingHub]:
    """One for the block."""
    hub = LyingHub(on_command)
    server = await asyncio.start_server(hub.serve, "127.0.0.1", 0)
    async with server:
        hub.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield hub


def orders(scenario: str, url: str, people: list[str], **options: Any) -> Orders:
    """For the only child; all of *people* are friends of each other."""
    made = [Person(one, one, [other for other in people if other != one]) for one in people]
    return Orders(scenario, url, 0, 1, 2, made, [""], options)


@asynccontextmanager
async def opened(load: Load) -> AsyncIterator[None]:
    """Open it for the block."""
    await load.open()
    try:
        yield
    finally:
        load.close()
