"""Pairs of friends that hug: one sends, the other receives and acknowledges, each over its own node.

What a hug's id says: its last twelve digits are its number, so that neither side keeps a table of ids. Ids of one
millisecond are in no order, as those of real clients are not.
"""

import asyncio
import random
import time
from collections.abc import Callable

import msgspec
from msgspec import Struct

from loadtest.clients.checker import Ledger
from loadtest.clients.people import Person, hello
from loadtest.clients.wire import Lost, Socket, client_frame

ACK_EVERY = 16  # durable events, as the protocol asks
ACK_AFTER_S = 1.0
WELCOME_WITHIN_S = 15.0
TRIES_FOR_ANOTHER_NODE = 60  # SO_REUSEPORT picks one by the client's port

_OK = b'{"type":"ok","ref":'
_ERROR = b'{"type":"error"'
_DURABLE = b'{"seq":'
_RECEIVED = b',"type":"hug.received"'
_HUG_ID = b'"id":"'


class Welcome(Struct):
    """What counts of the first message; of a `bye` in its place, the reason."""

    type: str
    node: str = ""
    epoch: str = ""
    head: int = 0
    resumed: bool = False
    reason: str = ""


class _Error(Struct):
    code: str
    message: str
    ref: int | None = None


class Member(Socket):
    """A socket that has said hello; `node` is where it landed."""

    def renew(self) -> None:
        """Forget the session that was."""
        super().renew()
        self.node = ""
        self.welcomed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.welcomed.add_done_callback(_retrieve)  # a connection that never came to be has been told of already

    def message(self, payload: bytes, now: float) -> None:
        """The first message is `welcome`, or the reason why there is none."""
        if self.node:
            self.event(payload, now)
            return
        welcome = msgspec.json.decode(payload, type=Welcome)
        self.node = welcome.node
        if self.welcomed.done():
            return
        if welcome.type == "welcome":
            self.welcomed.set_result(None)
            self.entered(welcome, now)
        else:
            self.welcomed.set_exception(Lost(f"no welcome but {welcome.type}: {welcome.reason}"))

    def entered(self, welcome: Welcome, now: float) -> None:
        """The session is open."""

    def event(self, payload: bytes, now: float) -> None:
        """Any message after `welcome`."""
        raise NotImplementedError

    def connection_lost(self, exc: Exception | None) -> None:
        """asyncio: over."""
        super().connection_lost(exc)
        if not self.welcomed.done():
            self.welcomed.set_exception(Lost(self.lost.result()))

    async def enter(
        self,
        url: str,
        person: Person,
        source: str | None = None,
        *,
        after: int | None = None,
        epoch: str | None = None,
    ) -> None:
        """Connect and open a session, or resume it behind the event *after*. Raises: Lost."""
        await self.open(url, source)
        self.write(client_frame(hello(person, "bench", after, epoch)))
        try:
            async with asyncio.timeout(WELCOME_WITHIN_S):
                await self.welcomed
        except TimeoutError:
            self.close()
            raise Lost("no welcome in time") from None


def _retrieve(future: asyncio.Future[None]) -> None:
    if not future.cancelled():
        future.exception()


class Recipient(Member):
    """Reads hugs, tells the ledger, acknowledges."""

    def __init__(self, ledger: Ledger) -> None:
        super().__init__()
        self._ledger = ledger
        self._seq = 0
        self._acked = -random.randrange(ACK_EVERY)
        self._ack_later: asyncio.TimerHandle | None = None

    def event(self, payload: bytes, now: float) -> None:
        """Durable events begin with their seq; of those hugs are looked into."""
        if not payload.startswith(_DURABLE):
            return
        end = payload.index(b",")
        self._seq = int(payload[len(_DURABLE) : end])
        if not payload.startswith(_RECEIVED, end):
            self._ledger.passed(self._seq)
            return
        start = payload.find(_HUG_ID) + len(_HUG_ID)
        self._ledger.arrived(self._seq, int(payload[start + 24 : start + 36], 16), now)

    def batch_done(self, now: float) -> None:
        """Acknowledge in time."""
        if self._seq - self._acked >= ACK_EVERY:
            self._ack()
        elif self._seq > self._acked and self._ack_later is None:
            self._ack_later = asyncio.get_running_loop().call_later(ACK_AFTER_S, self._ack)

    def _ack(self) -> None:
        if self._ack_later is not None:
            self._ack_later.cancel()
            self._ack_later = None
        self._acked = self._seq
        self.write(client_frame(b'{"type":"ack","seq":%d}' % self._seq))


class Sender(Member):
    """Sends hugs, tells the ledger what was answered."""

    def __init__(self, ledger: Ledger, recipient: str, message: str) -> None:
        super().__init__()
        self._ledger = ledger
        self._tail = b'","to":"%b","kind":"bear","message":%b}' % (recipient.encode(), msgspec.json.encode(message))
        self._run = random.getrandbits(12)
        self._outgoing: list[bytes] = []
        self.on_answers: Callable[[Sender], None] | None = None

    def send(self, intended: float) -> None:
        """One hug, written at the end of this loop iteration or read, with the others of it."""
        index = self._ledger.sent(intended)
        if not self._outgoing:
            asyncio.get_running_loop().call_soon(self.flush)
        ms = time.time_ns() // 1_000_000
        hug = b"%08x-%04x-7%03x-8%03x-%012x" % (ms >> 16, ms & 0xFFFF, random.getrandbits(12), self._run, index)
        self._outgoing.append(client_frame(b'{"type":"hug.send","ref":%d,"id":"%b%b' % (index, hug, self._tail)))

    def flush(self) -> None:
        """Write what waits, in one call."""
        if self._outgoing:
            data = b"".join(self._outgoing)
            self._outgoing.clear()
            self.write(data)

    def event(self, payload: bytes, now: float) -> None:
        """Replies are told; receipts and presence are read and let go."""
        if payload.startswith(_OK):
            self._ledger.ok(int(payload[len(_OK) : payload.index(b",", len(_OK))]), now)
        elif payload.startswith(_ERROR):
            error = msgspec.json.decode(payload, type=_Error)
            self._ledger.error(error.ref or 0, f"{error.code}: {error.message}")

    def batch_done(self, now: float) -> None:
        """Whoever keeps hugs in flight sends the next ones now."""
        if self.on_answers is not None:
            self.on_answers(self)


class Pair(Struct):
    """A sender and a recipient on different nodes, where there is more than one."""

    ledger: Ledger
    sender: Sender
    recipient: Recipient

    def close(self) -> None:
        """End both connections."""
        self.sender.close()
        self.recipient.close()


async def open_pair(url: str, people: tuple[Person, Person], hubs: int, message: str) -> Pair:
    """Connect both, the recipient again and again until its node is not the sender's. Raises: Lost."""
    one, other = people
    ledger = Ledger(f"{one.id} → {other.id}")
    sender = Sender(ledger, other.id, message)
    await sender.enter(url, one)
    for _ in range(TRIES_FOR_ANOTHER_NODE):
        recipient = Recipient(ledger)
        await recipient.enter(url, other)
        if hubs == 1 or recipient.node != sender.node:
            return Pair(ledger, sender, recipient)
        recipient.close()
        await recipient.lost
    raise Lost(f"{TRIES_FOR_ANOTHER_NODE} connections all landed on node {sender.node}")
