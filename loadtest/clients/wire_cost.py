"""What a client itself costs: `python -m loadtest.clients.wire_cost`.

A server that only writes, or only reads, runs in a process of its own; counted is the CPU of the client's process
alone. Beside our `wire.Socket` stands picows, a WebSocket client in Cython, where it is installed. Both look at each
message as the checker of hugs does.
"""

import asyncio
import base64
import hashlib
import multiprocessing
import os
import select
import socket
import sys
import time
from collections.abc import Awaitable, Callable
from importlib.util import find_spec
from multiprocessing.connection import Connection

import uvloop
from msgspec import Struct

from loadtest.clients.wire import Socket, client_frame
from loadtest.server.processes import memory
from protocol.frames import Opcode, frame

PAUSE_S = 0.002  # between rounds, so that nothing is merged that was not written together
PAYLOAD = b'{"seq":1234567,"type":"hug.received","id":"01981f6e-7d3a-7c21-9a44-2f0d6f1c2b11"' + b" " * 45 + b"}"
SERVER_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, section 4.2.2

_SEQ = b'{"seq":'
Send = Callable[[bytes], None]
Connect = Callable[[str, "Tally"], Awaitable[Send]]


class Size(Struct, frozen=True):
    """In each of *rounds* every connection is written to once; *sessions* are only held."""

    connections: int = 200
    rounds: int = 500
    sends: int = 50_000
    sessions: int = 2_000


class Case(Struct, frozen=True):
    """*joined*: messages in one write of the server; 0: the client writes."""

    name: str
    joined: int


CASES = (Case("receive, one message a read", 1), Case("receive, eight messages a read", 8), Case("send", 0))


class Tally:
    """Counts messages; `all_here` when as many have come as were asked for."""

    def __init__(self, wanted: int) -> None:
        self._left = wanted
        self.last_seq = 0
        self.all_here = asyncio.Event()

    def look(self, payload: bytes) -> None:
        """What the checker needs of a durable event."""
        if payload.startswith(_SEQ):
            self.last_seq = int(payload[len(_SEQ) : payload.index(b",")])
        self._left -= 1
        if not self._left:
            self.all_here.set()


class Counting(Socket):
    """Ours."""

    def __init__(self, tally: Tally) -> None:
        super().__init__()
        self._tally = tally

    def message(self, payload: bytes, now: float) -> None:
        """Counted."""
        self._tally.look(payload)


async def connect_ours(url: str, tally: Tally) -> Send:
    """Raises: Lost."""
    opened = await Counting(tally).open(url)
    return lambda payload: opened.write(client_frame(payload))


async def connect_picows(url: str, tally: Tally) -> Send:
    """Raises: ImportError."""
    from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect  # noqa: PLC0415  not needed by ours

    class Listener(WSListener):  # type: ignore[misc,unused-ignore]  # untyped where it is not installed
        """picows'."""

        def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
            """Counted."""
            tally.look(frame.get_payload_as_bytes())

    transport, _ = await ws_connect(Listener, url.replace("http", "ws", 1))
    return lambda payload: transport.send(WSMsgType.TEXT, payload)


CLIENTS: dict[str, Connect] = {"ours": connect_ours, "picows": connect_picows}


def serve(pipe: Connection, connections: int, rounds: int, data: bytes) -> None:
    """Accept all, then write *data* to each in rounds, or read what they write if there is none."""
    with socket.create_server(("127.0.0.1", 0), backlog=connections) as listener:
        pipe.send(listener.getsockname()[1])
        accepted = [_accept(listener) for _ in range(connections)]
    pipe.recv()
    for _ in range(rounds if data else 0):
        for each in accepted:
            each.sendall(data)
        time.sleep(PAUSE_S)
    poll = select.poll()
    by_number = {each.fileno(): each for each in accepted}
    for number in by_number:
        poll.register(number, select.POLLIN)
    while by_number:
        for number, _ in poll.poll():
            if not by_number[number].recv(1 << 20):
                poll.unregister(number)
                by_number.pop(number).close()


def _accept(listener: socket.socket) -> socket.socket:
    connection, _ = listener.accept()
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    request = b""
    while b"\r\n\r\n" not in request:
        request += connection.recv(4096)
    fields = dict(line.split(b": ", 1) for line in request.split(b"\r\n")[1:] if line)
    key = {name.lower(): value for name, value in fields.items()}[b"sec-websocket-key"]
    answer = base64.b64encode(hashlib.sha1(key + SERVER_GUID).digest())  # noqa: S324  as the RFC has it
    connection.sendall(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + answer + b"\r\n\r\n"
    )
    return connection


async def _measure_cpu(connect: Connect, url: str, case: Case, size: Size, go: Callable[[], None]) -> float:
    """CPU µs for each message."""
    messages = size.connections * size.rounds * case.joined if case.joined else size.sends
    tally = Tally(messages)
    sends = [await connect(url, tally) for _ in range(size.connections)]
    before = time.process_time()
    go()
    if case.joined:
        await tally.all_here.wait()
    else:
        for first in range(0, size.sends, size.connections):
            for send in sends[: size.sends - first]:
                send(PAYLOAD)
            await asyncio.sleep(0)
    return 1e6 * (time.process_time() - before) / messages


async def _measure_memory(connect: Connect, url: str, sessions: int) -> float:
    """KiB for each session that is only held."""
    tally, first = Tally(1), sessions // 10
    held = [await connect(url, tally) for _ in range(first)]
    before = memory(os.getpid()).pss
    held += [await connect(url, tally) for _ in range(sessions - first)]
    return (memory(os.getpid()).pss - before) / (len(held) - first)


def _client(pipe: Connection, name: str, case: Case | None, size: Size, url: str) -> None:
    connect = CLIENTS[name]
    if case is None:
        pipe.send(uvloop.run(_measure_memory(connect, url, size.sessions)))
    else:
        pipe.send(uvloop.run(_measure_cpu(connect, url, case, size, lambda: pipe.send("go"))))


def measure(name: str, case: Case | None, size: Size) -> float:
    """One figure of one client, in fresh processes: CPU µs per message, or KiB per session."""
    fresh = multiprocessing.get_context("spawn")
    data = frame(Opcode.TEXT, PAYLOAD) * case.joined if case is not None else b""
    connections = size.sessions if case is None else size.connections
    to_server, of_server = fresh.Pipe()
    to_client, of_client = fresh.Pipe()
    server = fresh.Process(target=serve, args=(of_server, connections, size.rounds, data), daemon=True)
    server.start()
    url = f"http://127.0.0.1:{to_server.recv()}"
    client = fresh.Process(target=_client, args=(of_client, name, case, size, url), daemon=True)
    client.start()
    answer = to_client.recv()
    if case is not None:
        to_server.send(answer)
        answer = to_client.recv()
    server.kill()
    for process in (client, server):
        process.join()
    return float(answer)


def main(size: Size) -> int:
    """Print a table."""
    clients = [name for name in CLIENTS if name == "ours" or find_spec(name)]
    print(f"{'':34}" + "".join(f"{name:>12}" for name in clients))
    for case in (*CASES, None):
        figures = [measure(name, case, size) for name in clients]
        unit = "CPU µs" if case else "KiB"
        name = case.name if case else "memory of a session"
        print(f"{name:34}" + "".join(f"{figure:>12.2f}" for figure in figures) + f"  {unit}", flush=True)
    for name in set(CLIENTS) - set(clients):
        print(f"{name} is not installed: pip install {name}")
    return 0


if __name__ == "__main__":
    sys.exit(main(Size()))
