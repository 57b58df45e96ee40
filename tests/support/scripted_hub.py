"""A server that plays a script to one client: each connection gets the next scene.

It speaks the wire by itself (a real `websockets` server, plain JSON), so that a client is judged by the
protocol and not by our own idea of it. A scene that fails is raised when the hub is left.
"""

import asyncio
import json
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from http import HTTPStatus
from types import TracebackType
from typing import Any

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

Scene = Callable[["Stage"], Awaitable[None]]
SUBPROTOCOL = Subprotocol("hugmood.v1.json")


class Stage:
    """One connection, seen from the server."""

    def __init__(self, socket: ServerConnection) -> None:
        self.socket = socket

    async def hear(self, kind: str) -> dict[str, Any]:
        """The client's next message, which must be of that type."""
        message = json.loads(await self.socket.recv())
        assert isinstance(message, dict)
        assert message["type"] == kind, f"expected {kind}, heard {message}"
        return message

    async def hear_nothing_more(self) -> None:
        """Wait for the client to close; whatever else it says is a failure."""
        try:
            message = await self.socket.recv()
        except ConnectionClosed:
            return
        raise AssertionError(f"heard {message!r}")

    async def say(self, kind: str, /, **fields: Any) -> None:
        """Send a message; `from_` stands for `from`."""
        fields = {name.rstrip("_"): value for name, value in fields.items()}
        await self.socket.send(json.dumps({"type": kind, **fields}))

    async def welcome(self, *, head: int = 0, epoch: str = "e1", resumed: bool = False, **more: Any) -> dict[str, Any]:
        """Hear `hello`, say `welcome`; what the client said."""
        hello = await self.hear("hello")
        fields = {
            "session": "s",
            "user": {"id": "me", "name": "Me"},
            "node": "n",
            "epoch": epoch,
            "head": head,
            "acked": head,
            "resumed": resumed,
            "server_time": "2026-01-31T12:00:00.000Z",
            "heartbeat_ms": 25000,
            "limits": {"message_bytes": 16384, "commands_in_flight": 16, "unacked_events": 256},
            "friends": [],
        }
        await self.say("welcome", **(fields | more))
        return hello

    async def hug(self, seq: int) -> None:
        """A durable event."""
        sender = {"id": "ana", "name": "Ana"}
        await self.say("hug.received", seq=seq, at="t", id=f"hug-{seq}", from_=sender, kind="bear")

    async def bye(self, code: int, *, reconnect: bool = True, retry_after_ms: int = 0) -> None:
        """Say `bye`, then close with the same code."""
        await self.say("bye", code=code, reason="scripted", reconnect=reconnect, retry_after_ms=retry_after_ms)
        await self.socket.close(code)

    async def ok(self, command: dict[str, Any], **fields: Any) -> None:
        """Answer a command."""
        await self.say("ok", ref=command["ref"], **fields)

    def cut(self) -> None:
        """Lose the connection without a word."""
        self.socket.transport.abort()


class ScriptedHub:
    """Plays its scenes in order; `done` once the last has ended. Further connections get 503."""

    def __init__(self, *scenes: Scene) -> None:
        self._scenes = deque(scenes)
        self._failures: list[BaseException] = []
        self.connections = 0
        self.opened_at: list[float] = []
        self.done = asyncio.Event()
        self._server: Server | None = None

    @property
    def url(self) -> str:
        """For the client."""
        assert self._server is not None
        port = next(iter(self._server.sockets)).getsockname()[1]
        return f"ws://127.0.0.1:{port}"

    async def __aenter__(self) -> "ScriptedHub":
        self._server = await serve(
            self._play, "127.0.0.1", 0, subprotocols=[SUBPROTOCOL], compression=None, process_request=self._admit
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()
        if error is None and self._failures:
            raise self._failures[0]

    def _admit(self, _: ServerConnection, request: Request) -> Response | None:
        assert request.path == "/v1/socket"
        if self._scenes:
            return None
        return Response(HTTPStatus.SERVICE_UNAVAILABLE, "No more scenes", Headers({"Content-Length": "0"}))

    async def _play(self, socket: ServerConnection) -> None:
        scene = self._scenes.popleft()
        self.connections += 1
        self.opened_at.append(asyncio.get_running_loop().time())
        try:
            with suppress(ConnectionClosed):
                await scene(Stage(socket))
        except BaseException as failure:
            self._failures.append(failure)
            raise
        finally:
            if not self._scenes:
                self.done.set()
