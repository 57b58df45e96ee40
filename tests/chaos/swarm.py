"""Many people who hug each other over the wire, whatever happens to the servers, and keep book of it.

Only the wire protocol and HTTP: `websockets`, asyncio and json, nothing of HugMood's own packages. What a
member notes down is what a careful app would see; `Swarm.violations` holds whatever must not happen:
a hug twice, a gap in `seq`, a cursor that could not be resumed, a refusal that nothing explains, a mutual hug
that only one of the two was told of.
"""

import asyncio
import json
import os
import random
import time
from collections import Counter, deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.typing import Subprotocol

ACK_EVERY = 16
IN_FLIGHT = 8
BACKOFF_FIRST_S, BACKOFF_MOST_S = 0.1, 3.0
KINDS = ("quick", "warm", "bear", "side")


@dataclass(frozen=True)
class Person:
    """A line of the file that `hugmood people make` writes."""

    id: str
    access_token: str
    friends: tuple[str, ...]


@dataclass(frozen=True)
class Hug:
    """One that shall be sent: `at_s` seconds after the start."""

    id: str
    to: str
    at_s: float
    kind: str


@dataclass
class Plan:
    """Who hugs whom and when, and when people lose their connection; all of it from one seed."""

    hugs: dict[str, list[Hug]]
    drops: dict[str, list[float]]

    @staticmethod
    def make(people: Sequence[Person], total: int, over_s: float, drops_each: int, chance: random.Random) -> "Plan":
        """*total* hugs spread evenly over *over_s* seconds, each to a friend."""
        hugs: dict[str, list[Hug]] = {person.id: [] for person in people}
        for number in range(total):
            sender = people[number % len(people)]
            at_s = over_s * number / total
            hugs[sender.id].append(Hug(new_id(), chance.choice(sender.friends), at_s, chance.choice(KINDS)))
        drops = {person.id: sorted(chance.uniform(1, over_s) for _ in range(drops_each)) for person in people}
        return Plan(hugs, drops)


def new_id() -> str:
    """A UUIDv7 (RFC 9562)."""
    value = (time.time_ns() // 1_000_000) << 80 | int.from_bytes(os.urandom(10))
    value = value & ~(0xF000 << 64) | 0x7000 << 64
    value = value & ~(0xC000 << 48) | 0x8000 << 48
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


@dataclass(frozen=True)
class Met:
    """A mutual hug, as both must be told of it."""

    id: str
    hugs: tuple[str, ...]
    starts_at: str


@dataclass(eq=False)
class Member:
    """One person on one device, and what happened to them."""

    person: Person
    swarm: "Swarm"
    todo: deque[Hug]
    drops: deque[float]
    cursor: int = 0
    epoch: str | None = None
    received: list[str] = field(default_factory=list)  # ids, in order of seq: the first has seq 1
    met: list["Met"] = field(default_factory=list)
    unanswered: dict[str, Hug] = field(default_factory=dict)  # given to the wire, oldest first
    not_before: dict[str, float] = field(default_factory=dict)  # of those to be repeated later
    sent_here: set[str] = field(default_factory=set)  # on this connection, without an answer yet
    accepted: dict[str, str] = field(default_factory=dict)  # id → `at` of the answer
    connections: int = 0
    failures: int = 0  # in a row
    retry_after_s: float = 0.0

    async def live(self) -> None:
        """Connect, and again, until cancelled."""
        while True:
            with suppress(OSError, EOFError, InvalidHandshake, ConnectionClosed):
                await self._connect_once()
            ceiling = min(BACKOFF_MOST_S, BACKOFF_FIRST_S * 2**self.failures)
            wait_s = self.retry_after_s + random.uniform(0, ceiling)
            self.failures, self.retry_after_s = min(self.failures + 1, 10), 0.0
            await asyncio.sleep(wait_s)

    async def _connect_once(self) -> None:
        socket = await connect(
            self.swarm.socket_url,
            subprotocols=[Subprotocol("hugmood.v1.json")],
            compression=None,
            proxy=None,
            open_timeout=5,
            close_timeout=1,
            ping_interval=10,
            ping_timeout=10,
        )
        self.connections += 1
        self.sent_here.clear()
        sender: asyncio.Task[None] | None = None
        try:
            await self._say(socket, type="hello", token=self.person.access_token, device="swarm", **self._cursor())
            async for text in socket:
                message = json.loads(text)
                if message["type"] == "welcome":
                    self._welcomed(message)
                    sender = asyncio.create_task(self._send(socket))
                else:
                    await self._hear(socket, message)
        finally:
            if sender is not None:
                sender.cancel()
                await asyncio.gather(sender, return_exceptions=True)
            socket.transport.abort()

    def _cursor(self) -> dict[str, Any]:
        return {"after": self.cursor} | ({"epoch": self.epoch} if self.epoch is not None else {})

    def _welcomed(self, welcome: dict[str, Any]) -> None:
        self.failures = 0
        if not welcome["resumed"]:
            self._complain(f"could not resume from {self.cursor}: {welcome['head']=}, {welcome['epoch']=}")
        if self.epoch not in (None, welcome["epoch"]):
            self._complain("the epoch has changed")
        self.epoch = welcome["epoch"]

    async def _hear(self, socket: ClientConnection, message: dict[str, Any]) -> None:
        kind = message["type"]
        if kind == "hug.received":
            self._received(message)
            await self._move_on(socket, message["seq"])
        elif kind == "hug.mutual":
            self.met.append(Met(message["id"], tuple(message["hugs"]), message["starts_at"]))
            await self._move_on(socket, message["seq"])
        elif kind == "ok" and message.get("id") is not None:
            self._accepted(message)
        elif kind == "error":
            self._refused(message)
        elif kind == "bye":
            self.retry_after_s = message["retry_after_ms"] / 1000
            if not message["reconnect"] or message["code"] in (4300, 4301):
                self._complain(f"sent away: {message}")

    def _received(self, event: dict[str, Any]) -> None:
        if event["id"] in self.swarm.heard:
            self._complain(f"hug {event['id']} came twice")
        self.swarm.heard.add(event["id"])
        self.received.append(event["id"])

    async def _move_on(self, socket: ClientConnection, seq: int) -> None:
        if seq != self.cursor + 1:
            self._complain(f"seq {seq} came after {self.cursor}")
        self.cursor = seq
        if self.cursor % ACK_EVERY == 0:
            await self._say(socket, type="ack", seq=self.cursor)

    def _accepted(self, ok: dict[str, Any]) -> None:
        hug_id = ok["id"]
        if self.accepted.get(hug_id, ok["at"]) != ok["at"]:
            self._complain(f"two answers for hug {hug_id}: {self.accepted[hug_id]}, {ok['at']}")
        self.accepted[hug_id] = ok["at"]
        self.unanswered.pop(hug_id, None)
        self.not_before.pop(hug_id, None)
        self.sent_here.discard(hug_id)

    def _refused(self, error: dict[str, Any]) -> None:
        self.swarm.refusals[error["code"]] = self.swarm.refusals.get(error["code"], 0) + 1
        hug_id = error.get("ref")
        if not error["retryable"] or hug_id not in self.unanswered:
            self._complain(f"refused: {error}")
            return
        self.sent_here.discard(hug_id)
        self.not_before[hug_id] = time.monotonic() + error["retry_after_ms"] / 1000

    async def _send(self, socket: ClientConnection) -> None:
        """Give hugs to the wire when they are due, repeat what was not answered, and now and then drop the line."""
        with suppress(ConnectionClosed):
            while True:
                now_s = self.swarm.elapsed_s()
                if self.drops and self.drops[0] <= now_s:
                    self.drops.popleft()
                    socket.transport.abort()
                    return
                while self.todo and self.todo[0].at_s <= now_s and len(self.unanswered) < IN_FLIGHT:
                    hug = self.todo.popleft()
                    self.unanswered[hug.id] = hug
                for hug in list(self.unanswered.values()):
                    if hug.id not in self.sent_here and self.not_before.get(hug.id, 0.0) <= time.monotonic():
                        self.sent_here.add(hug.id)
                        await self._say(socket, type="hug.send", ref=hug.id, id=hug.id, to=hug.to, kind=hug.kind)
                await asyncio.sleep(0.05)

    async def _say(self, socket: ClientConnection, **command: Any) -> None:
        await socket.send(json.dumps(command))

    def _complain(self, what: str) -> None:
        self.swarm.violations.append(f"{self.swarm.elapsed_s():.1f} s, {self.person.id}: {what}")

    def is_done(self) -> bool:
        """Everything of theirs is sent and answered."""
        return not self.todo and not self.unanswered


class Swarm:
    """All members, in one process."""

    def __init__(self, url: str, people: Sequence[Person], plan: Plan) -> None:
        """*url*: `http://host:port` of the hubs."""
        self.url = url
        self.socket_url = f"ws://{urlsplit(url).netloc}/v1/socket"
        self.violations: list[str] = []
        self.refusals: dict[str, int] = {}
        self.heard: set[str] = set()
        self._recipients = {hug.id: hug.to for hugs in plan.hugs.values() for hug in hugs}
        self._started = time.monotonic()
        self.members = [
            Member(person, self, deque(plan.hugs[person.id]), deque(plan.drops[person.id])) for person in people
        ]
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Everybody connects."""
        self._started = time.monotonic()
        self._tasks = [asyncio.create_task(member.live()) for member in self.members]

    async def stop(self) -> None:
        """Everybody leaves."""
        for task in self._tasks:
            task.cancel()
        for result in await asyncio.gather(*self._tasks, return_exceptions=True):
            if isinstance(result, Exception):
                self.violations.append(f"a member has failed: {result!r}")

    def elapsed_s(self) -> float:
        """Since the start."""
        return time.monotonic() - self._started

    def expected(self) -> dict[str, set[str]]:
        """By recipient: the hugs that were answered ok."""
        expected: dict[str, set[str]] = {member.person.id: set() for member in self.members}
        for member in self.members:
            for hug_id in member.accepted:
                expected[self._recipients[hug_id]].add(hug_id)
        return expected

    async def finish(self, within_s: float) -> None:
        """Until everything is sent, answered and received. Raises: TimeoutError."""
        async with asyncio.timeout(within_s):
            while not (self._all_done() and self._all_received()):  # noqa: ASYNC110  a condition over 200 books
                await asyncio.sleep(0.2)

    def _all_done(self) -> bool:
        return all(member.is_done() for member in self.members)

    def _all_received(self) -> bool:
        expected = self.expected()
        if not all(len(member.received) >= len(expected[member.person.id]) for member in self.members):
            return False
        return min(self._told_of_meeting().values(), default=2) >= 2

    def _told_of_meeting(self) -> Counter[Met]:
        return Counter(met for member in self.members for met in member.met)

    def check_received(self) -> list[str]:
        """What the books say against the promise; empty if everybody got exactly what was accepted for them."""
        problems = list(self.violations)
        expected = self.expected()
        for member in self.members:
            name, received = member.person.id, set(member.received)
            if len(member.received) != len(received):
                problems.append(f"{name}: {len(member.received) - len(received)} came twice")
            if lost := expected[name] - received:
                problems.append(f"{name}: {len(lost)} lost, such as {min(lost)}")
            # A hug may be stored and its answer lost for good only if its sender never got an ok.
            if extra := received - expected[name]:
                problems.append(f"{name}: {len(extra)} nobody was told of, such as {min(extra)}")
            if member.cursor != len(member.received) + len(member.met):
                what = f"{len(member.received)} hugs and {len(member.met)} that met"
                problems.append(f"{name}: seq {member.cursor} after {what}")
        told = self._told_of_meeting()
        problems += [f"{count} were told of {met}" for met, count in told.items() if count != 2]
        hugs = Counter(hug for met in told for hug in met.hugs)
        problems += [f"hug {hug} has met {count} others" for hug, count in hugs.items() if count > 1]
        return problems

    async def check_history(self) -> list[str]:
        """What REST says against the books."""
        problems = []
        for member in self.members:
            history = await load_history(self.url, member.person.access_token)
            if sorted(history) != sorted(member.received):  # newest first by the clock, not by seq
                problems.append(f"{member.person.id}: history has {len(history)}, received were {len(member.received)}")
        return problems


async def load_history(url: str, token: str) -> list[str]:
    """The ids of all hugs received, newest first, page by page."""
    ids: list[str] = []
    cursor = ""
    while True:
        path = "/v1/hugs?direction=received&limit=100" + (f"&cursor={cursor}" if cursor else "")
        page = await get_json(url, path, token)
        ids += [item["id"] for item in page["items"]]
        if page["next"] is None:
            return ids
        cursor = page["next"]


async def get_json(url: str, path: str, token: str) -> Any:
    """A GET over HTTP/1.1, by hand."""
    address = urlsplit(url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    try:
        head = (
            f"GET {path} HTTP/1.1\r\nHost: {address.netloc}\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n"
        )
        writer.write(f"{head}\r\n".encode())
        answer = await reader.read()
    finally:
        writer.close()
    status, _, body = answer.partition(b"\r\n\r\n")
    if b" 200 " not in status.split(b"\r\n", 1)[0]:
        raise RuntimeError(f"{path}: {answer[:300]!r}")
    return json.loads(body)
