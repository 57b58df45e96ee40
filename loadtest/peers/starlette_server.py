"""A hub as tutorials write it: `python -m loadtest.peers.starlette_server PORT REDIS_URL`.

A manager with a list of connections per room, a loop of awaited sends, and one task that listens to Redis.
"""

import asyncio
import json
import sys
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import redis.asyncio
import uvicorn
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

PREFIX = "room:"


class ConnectionManager:
    """Who is in which room of this process."""

    def __init__(self) -> None:
        self.rooms: dict[str, list[WebSocket]] = defaultdict(list)

    async def connect(self, room: str, websocket: WebSocket) -> None:
        """Let somebody in."""
        await websocket.accept()
        self.rooms[room].append(websocket)

    def disconnect(self, room: str, websocket: WebSocket) -> None:
        """Somebody has gone."""
        self.rooms[room].remove(websocket)
        if not self.rooms[room]:
            del self.rooms[room]

    async def broadcast(self, room: str, message: str) -> None:
        """Tell everybody in the room."""
        for connection in list(self.rooms.get(room, ())):
            await connection.send_text(message)


def make_app(redis_url: str) -> Starlette:
    """The application."""
    manager = ConnectionManager()
    client = redis.asyncio.Redis.from_url(redis_url, decode_responses=True)

    async def listen() -> None:
        async with client.pubsub() as pubsub:
            await pubsub.psubscribe(f"{PREFIX}*")
            async for message in pubsub.listen():
                if message["type"] == "pmessage":
                    await manager.broadcast(message["channel"].removeprefix(PREFIX), message["data"])

    async def endpoint(websocket: WebSocket) -> None:
        room = websocket.path_params["room"]
        await manager.connect(room, websocket)
        try:
            while True:
                message = json.loads(await websocket.receive_text())
                await client.publish(PREFIX + message["room"], message["text"])
        except WebSocketDisconnect:
            manager.disconnect(room, websocket)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        listener = asyncio.create_task(listen())
        yield
        listener.cancel()
        await client.aclose()

    return Starlette(routes=[WebSocketRoute("/ws/{room}", endpoint)], lifespan=lifespan)


if __name__ == "__main__":
    uvicorn.run(make_app(sys.argv[2]), port=int(sys.argv[1]), ws_ping_interval=None, log_level="warning")
