"""A hub with the websockets library, as its documentation says: `python -m loadtest.peers.websockets_server PORT`."""

import asyncio
import json
import sys
from collections import defaultdict

import uvloop
from websockets.asyncio.server import ServerConnection, broadcast, serve

ROOMS: dict[str, set[ServerConnection]] = defaultdict(set)


async def handle(connection: ServerConnection) -> None:
    """One connection, in the room that its path names."""
    assert connection.request is not None  # noqa: S101  it has been answered
    room = connection.request.path
    ROOMS[room].add(connection)
    try:
        async for message in connection:
            said = json.loads(message)
            broadcast(ROOMS[said["room"]], said["text"])
    finally:
        ROOMS[room].discard(connection)


async def main(port: int) -> None:
    """Serve until killed."""
    async with serve(handle, "127.0.0.1", port, compression=None, ping_interval=None) as server:
        await server.serve_forever()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(int(sys.argv[1])))
