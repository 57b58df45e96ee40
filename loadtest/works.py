"""The work that every server of a comparison is given: fan-out in bursts and spaced, unicast, idle connections.

Invariant: deliveries are counted for each connection, and where they differ from what was published, the turn says so.
"""

import asyncio
import time
from collections.abc import Callable, Iterator
from functools import partial
from socket import socket

import msgspec
from msgspec import Struct

from loadtest.clients.crowd import Crowd, enter, enter_all, take_all
from loadtest.clients.wire import Lost
from loadtest.peers.peer import SERVER, VALKEY, Peer
from loadtest.server.processes import cpu_s, family_cpu_s, memory

BURST = 10
OUTSTANDING_MAX = 20  # messages that have not reached everybody
WARM_UP_S = 1.0
WARM_UP_CONNECTIONS = 50  # opened and closed before memory is looked at
QUIET_S = 0.5
IN_FLIGHT = 16  # of one pair: with more unanswered our hub stops reading
TOO_MUCH_S = 0.1  # in which anything delivered twice would come
SETTLE_WITHIN_S = 5.0  # without any progress, after which what is missing counts as lost
MEMORY_SETTLE_S = 2.0
LOOK_UP_S = 0.05
TRIES_FOR_ANOTHER_NODE = 60


class Sizes(Struct, frozen=True):
    """How much work. *rate*: messages a second of all pairs together; *every_ms*: between spaced messages."""

    subscribers: int = 1_000
    connections: int = 5_000
    pairs: int = 20
    rate: float = 2_000.0
    every_ms: float = 20.0
    seconds: float = 5.0


def compared_kinds(work: str) -> tuple[str, ...]:
    """Whose CPU counts: from one server to the other it is also that of the Redis between them."""
    return (SERVER, VALKEY) if work in ("unicast", "trickle") else (SERVER,)


class Turn(Struct, frozen=True, kw_only=True):
    """One work of one peer, once. CPU seconds by kind of process; *kib* of resident memory for each idle connection."""

    peer: str
    work: str
    seconds: float = 0.0
    deliveries: int = 0
    cpu_s: dict[str, float] = {}
    client_s: float = 0.0
    kib: float = 0.0
    problems: list[str] = []

    @property
    def value(self) -> float:
        """What is compared."""
        return self.kib if self.work == "idle" else sum(map(self.cpu_us, compared_kinds(self.work)))

    def cpu_us(self, kind: str) -> float:
        """For each delivery."""
        return 1e6 * self.cpu_s.get(kind, 0.0) / max(1, self.deliveries)

    def say(self) -> str:
        """One line for those who wait."""
        if self.work == "idle":
            return f"idle: {self.kib:.2f} KiB for each connection"
        if not self.work:
            return "failed: " + "".join(self.problems)
        rate, load = self.deliveries / self.seconds, self.client_s / self.seconds
        said = f"{self.work}: {self.value:.2f} CPU µs for each of {self.deliveries:,} deliveries, {rate:,.0f}/s"
        return "; ".join([f"{said}, client at {load:.0%} of a core", *self.problems])


class _Spent(Struct, frozen=True):
    """What processes had spent at one moment."""

    at: float
    cpu_s: dict[str, float]
    client_s: float


def fan_out(peer: Peer, sizes: Sizes) -> Iterator[Turn]:
    """Bursts in a closed loop, then single messages at even distances, to all members. Raises: Lost."""
    crowd = Crowd(asyncio.run(_gather(peer, sizes.subscribers)), peer.mark)
    messages = [peer.fan(room) for room in range(peer.rooms)]
    every_s = sizes.every_ms / 1000

    def space(seconds: float) -> list[int]:
        count = int(seconds / every_s)
        _pace([crowd], count, every_s, lambda n: crowd.write(0, messages[n % peer.rooms]))
        return [count] * len(crowd.connections)

    try:
        crowd.quiet(QUIET_S)
        yield _measure(peer, "bursts", sizes, crowd, lambda seconds: _burst(peer, crowd, messages, seconds))
        yield _measure(peer, "spaced", sizes, crowd, space)
    finally:
        crowd.close()


def unicast(peer: Peer, sizes: Sizes) -> Iterator[Turn]:
    """Pairs, each on two nodes where there are two: all as fast as it goes, then in turn at an even rate. Raises: Lost."""
    senders, receivers = asyncio.run(_enter_pairs(peer, sizes.pairs))
    writing, reading = Crowd(senders, peer.mark), Crowd(receivers, peer.mark)
    messages = [peer.unicast(number) for number in range(sizes.pairs)]

    def send(number: int) -> None:
        writing.write(number % sizes.pairs, messages[number % sizes.pairs])

    def trickle(seconds: float) -> list[int]:
        each = int(seconds * sizes.rate / sizes.pairs)
        _pace([reading, writing], each * sizes.pairs, 1 / sizes.rate, send)
        return [each] * sizes.pairs

    try:
        writing.quiet(QUIET_S)
        yield _measure(peer, "unicast", sizes, reading, lambda seconds: _fill(writing, reading, messages, seconds))
        yield _measure(peer, "trickle", sizes, reading, trickle)
    finally:
        writing.close()
        reading.close()


def idle(peer: Peer, sizes: Sizes) -> Turn:
    """What connections cost that can be reached, but are told nothing. Raises: Lost."""
    port = peer.serving.ports[0]
    for connection in asyncio.run(enter_all(port, min(WARM_UP_CONNECTIONS, sizes.connections), peer.receiver)):
        connection.close()
    time.sleep(MEMORY_SETTLE_S)
    before, started = _resident_kib(peer), _spent(peer)
    crowd = Crowd(asyncio.run(enter_all(port, sizes.connections, peer.receiver)), peer.mark)
    try:
        crowd.quiet(MEMORY_SETTLE_S)
        grown = _resident_kib(peer) - before
        turn = _turn(peer, "idle", started, _spent(peer), crowd, [0] * sizes.connections)
    finally:
        crowd.close()
    time.sleep(MEMORY_SETTLE_S)
    return msgspec.structs.replace(turn, kib=grown / sizes.connections)


def _measure(peer: Peer, work: str, sizes: Sizes, crowd: Crowd, publish: Callable[[float], list[int]]) -> Turn:
    """*publish* works for some seconds, and returns how many deliveries each in *crowd* should get."""
    if peer.heartbeat:
        for number in range(len(crowd.connections)):
            crowd.write(number, peer.heartbeat)
    publish(min(WARM_UP_S, sizes.seconds))
    crowd.quiet(QUIET_S)
    crowd.count_anew()
    before = _spent(peer)
    expected = publish(sizes.seconds)
    _settle(crowd, sum(expected))
    after = _spent(peer)
    crowd.quiet(TOO_MUCH_S)
    return _turn(peer, work, before, after, crowd, expected)


def _burst(peer: Peer, crowd: Crowd, messages: list[bytes], seconds: float) -> list[int]:
    """Ten messages in one write, and the next ten when at most ten are outstanding and their rooms have rested."""
    groups = max(1, peer.rooms // BURST)
    bursts = [
        b"".join(messages[(group * BURST + each) % peer.rooms] for each in range(BURST)) for group in range(groups)
    ]
    ready_at = [0.0] * groups
    per_burst = BURST * len(crowd.connections)
    start, sent, done = crowd.delivered, 0, 0
    now = progress_at = time.perf_counter()
    end = now + seconds
    while now < end or (done < sent and now < progress_at + SETTLE_WITHIN_S):
        is_allowed = now < end and (sent - done + 1) * BURST <= OUTSTANDING_MAX
        if is_allowed and now >= ready_at[sent % groups]:
            crowd.write(0, bursts[sent % groups])
            sent += 1
        elif crowd.read(min(LOOK_UP_S, ready_at[sent % groups] - now) if is_allowed else LOOK_UP_S):
            progress_at = time.perf_counter()
        now = time.perf_counter()
        while done < sent and crowd.delivered - start >= (done + 1) * per_burst:
            ready_at[done % groups] = now + peer.rest_s
            done += 1
    return [sent * BURST] * len(crowd.connections)


def _pace(crowds: list[Crowd], count: int, every_s: float, send: Callable[[int], None]) -> None:
    """Call *send* at even distances, also when the server is late, and read all the time."""
    start, sent = time.perf_counter(), 0
    while sent < count:
        wait = start + sent * every_s - time.perf_counter()
        if wait <= 0:
            send(sent)
            sent += 1
        for crowd in crowds:
            crowd.read(max(0.0, wait) if crowd is crowds[0] else 0.0)


def _fill(writing: Crowd, reading: Crowd, messages: list[bytes], seconds: float) -> list[int]:
    """Keep `IN_FLIGHT` messages of each pair on the way."""
    start, sent = reading.counts(), [0] * len(messages)
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        for number, (count, before) in enumerate(zip(reading.counts(), start, strict=True)):
            free = IN_FLIGHT - sent[number] + count - before
            if free:
                writing.write(number, messages[number] * free)
                sent[number] += free
        reading.read(LOOK_UP_S)
        writing.read(0.0)
    return sent


def _settle(crowd: Crowd, expected: int) -> None:
    """Until all is there, or nothing comes any more."""
    seen_at = time.perf_counter()
    while crowd.delivered < expected and time.perf_counter() - seen_at < SETTLE_WITHIN_S:
        if crowd.read(LOOK_UP_S):
            seen_at = time.perf_counter()


def _turn(peer: Peer, work: str, before: _Spent, after: _Spent, crowd: Crowd, expected: list[int]) -> Turn:
    wrong = [(count, each) for count, each in zip(crowd.counts(), expected, strict=True) if count != each]
    problems = (
        [f"{len(wrong)} connections got other than was published: {wrong[0][0]} of {wrong[0][1]}"] if wrong else []
    )
    return Turn(
        peer=peer.name,
        work=work,
        seconds=after.at - before.at,
        deliveries=crowd.delivered,
        cpu_s={kind: seconds - before.cpu_s[kind] for kind, seconds in after.cpu_s.items()},
        client_s=after.client_s - before.client_s,
        problems=problems,
    )


async def _gather(peer: Peer, subscribers: int) -> list[socket]:
    members = await enter_all(peer.serving.ports[0], subscribers, peer.member)
    for room in range(peer.rooms if peer.rooms > 1 else 0):  # one after the other: comings and goings are told
        await take_all(members, partial(peer.join, room=room))
    return members


async def _enter_pairs(peer: Peer, pairs: int) -> tuple[list[socket], list[socket]]:
    senders, receivers = [], []
    ports = peer.serving.ports
    for number in range(pairs):
        receiver, heard = await enter(ports[-1], peer.receiver(number))
        receivers.append(receiver)
        for _ in range(TRIES_FOR_ANOTHER_NODE):
            sender, said = await enter(ports[0], peer.sender(number))
            if len(ports) == 1 or peer.are_apart(said, heard):
                senders.append(sender)
                break
            sender.close()
        else:
            raise Lost(f"{TRIES_FOR_ANOTHER_NODE} connections all landed on the receiver's node")
    return senders, receivers


def _spent(peer: Peer) -> _Spent:
    """Until now. PostgreSQL is counted with its backends."""
    spent = {
        kind: sum(family_cpu_s(pid) if kind == "PostgreSQL" else cpu_s(pid) for pid in pids)
        for kind, pids in peer.serving.pids.items()
    }
    return _Spent(time.perf_counter(), spent, time.process_time())


def _resident_kib(peer: Peer) -> int:
    return sum(memory(pid).rss for pid in peer.serving.pids[SERVER])
