"""Many idle sessions, held by child processes: each may open only so many files, and only so many at once.

A child, `python -m loadtest.swarm`, reads one JSON line of orders and opens its sessions; it says how many
are open, holds them until its input ends, and ends.
"""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import uvloop
from msgspec import Struct

from loadtest.hugs import Member
from loadtest.people import Person
from loadtest.processes import Memory, Processes
from loadtest.wire import Lost

SESSIONS_PER_CHILD = 9_000  # below the 20,000 files a process may open here, with room to fail
OPENING_AT_ONCE = 100  # per child: the server is to be busy, not drowned
PORTS_PER_SOURCE = 20_000  # of one loopback address towards one server port
SETTLE_S = 4.0  # until buffers of the opening are free again
WARM_UP = 300  # sessions opened and closed before anything is counted


class Orders(Struct):
    """What a child is to do. *sources*: local addresses to connect from, in turn."""

    url: str
    people: list[Person]
    at_once: int
    sources: list[str]


class Opened(Struct):
    """What a child has done. Times are of the system's monotonic clock, the same for all processes."""

    count: int
    started: float
    ended: float
    failures: list[str]


class IdleFigures(Struct, frozen=True):
    """One run. Memory is KiB per session, all hubs together."""

    sessions: int
    failed: int
    failures: list[str]
    opened_per_s: float
    opened_per_hub_cpu_s: float
    hub_cpu_us_per_opening: float
    rss_kib: float
    pss_kib: float
    hub_cores_idle: float  # CPU seconds a second that all hubs spend on sessions that do nothing
    still_open: int


class Idle(Member):
    """A session that only answers pings."""

    def event(self, payload: bytes, now: float) -> None:
        """Nothing is asked for."""


async def open_all(orders: Orders) -> tuple[list[Idle], Opened]:
    """Open one session for each of the people, some at once."""
    waiting = list(enumerate(orders.people))
    waiting.reverse()
    members: list[Idle] = []
    failures: list[str] = []
    started = time.monotonic()

    async def work() -> None:
        while waiting:
            number, person = waiting.pop()
            member = Idle()
            try:
                await member.enter(orders.url, person, orders.sources[number % len(orders.sources)])
            except Lost as error:
                failures.append(str(error))
            else:
                members.append(member)

    async with asyncio.TaskGroup() as group:
        for _ in range(min(orders.at_once, len(waiting))):
            group.create_task(work())
    return members, Opened(len(members), started, time.monotonic(), failures[:5])


async def child() -> None:
    """The life of a child process."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=1 << 30)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    orders = msgspec.json.decode(await reader.readline(), type=Orders)
    members, opened = await open_all(orders)
    _say(opened)
    await reader.readline()
    _say(sum(not member.lost.done() for member in members))
    await reader.read()


def _say(what: object) -> None:
    sys.stdout.write(msgspec.json.encode(what).decode() + "\n")
    sys.stdout.flush()


class Swarm:
    """The children of one run."""

    def __init__(self, children: Sequence[asyncio.subprocess.Process], opened: Sequence[Opened]) -> None:
        self._children = children
        self.opened = opened

    async def count(self) -> int:
        """How many sessions are open still."""
        total = 0
        for process in self._children:
            assert process.stdin is not None  # noqa: S101  it was started with pipes
            assert process.stdout is not None  # noqa: S101
            process.stdin.write(b"count\n")
            total += int(await process.stdout.readline())
        return total


@asynccontextmanager
async def swarm(url: str, people: Sequence[Person], children: int) -> AsyncIterator[Swarm]:
    """One session for each of *people*, open for the block."""
    sources = [f"127.0.0.{2 + number}" for number in range(1 + len(people) // PORTS_PER_SOURCE)]
    if "127.0.0.1" not in url and "localhost" not in url:
        sources = [""]
    shares = [list(people[number::children]) for number in range(children)]
    processes: list[asyncio.subprocess.Process] = []
    try:
        for _ in shares:
            processes.append(  # noqa: PERF401  ended in part
                await asyncio.create_subprocess_exec(
                    sys.executable,
                    "-m",
                    "loadtest.swarm",
                    stdin=asyncio.subprocess.PIPE,
                    stdout=asyncio.subprocess.PIPE,
                    cwd=Path(__file__).parents[1],
                    limit=1 << 20,
                )
            )
        opened = await asyncio.gather(
            *(
                _order(process, Orders(url, share, OPENING_AT_ONCE, sources))
                for process, share in zip(processes, shares, strict=True)
            )
        )
        yield Swarm(processes, opened)
    finally:
        for process in processes:
            if process.returncode is None:
                process.kill()
            await process.wait()


async def _order(process: asyncio.subprocess.Process, orders: Orders) -> Opened:
    assert process.stdin is not None  # noqa: S101  it was started with pipes
    assert process.stdout is not None  # noqa: S101
    process.stdin.write(msgspec.json.encode(orders) + b"\n")
    await process.stdin.drain()
    line = await process.stdout.readline()
    if not line:
        raise Lost("a child of the swarm ended before its sessions were open")
    return msgspec.json.decode(line, type=Opened)


async def run_idle(url: str, processes: Processes, people: Sequence[Person], idle_s: float) -> IdleFigures:
    """Open a session for each of *people*, look at what they cost, then let them idle for *idle_s*. Raises: Lost."""
    children = -(-len(people) // SESSIONS_PER_CHILD)
    async with swarm(url, people[:WARM_UP], 1):
        pass
    await asyncio.sleep(SETTLE_S)
    memory, cpu = processes.memory(), processes.cpu()
    async with swarm(url, people, children) as held:
        opening = processes.cpu().since(cpu)
        seconds = max(each.ended for each in held.opened) - min(each.started for each in held.opened)
        count = sum(each.count for each in held.opened)
        await asyncio.sleep(SETTLE_S)
        grown = [_growth(before, after) for before, after in zip(memory, processes.memory(), strict=True)]
        cpu = processes.cpu()
        await asyncio.sleep(idle_s)
        idle = processes.cpu().since(cpu)
        still_open = await held.count()
    return IdleFigures(
        sessions=count,
        failed=len(people) - count,
        failures=[failure for each in held.opened for failure in each.failures],
        opened_per_s=count / seconds,
        opened_per_hub_cpu_s=count / max(opening.hubs, 0.01),
        hub_cpu_us_per_opening=1e6 * opening.hubs / max(count, 1),
        rss_kib=sum(each.rss for each in grown) / max(count, 1),
        pss_kib=sum(each.pss for each in grown) / max(count, 1),
        hub_cores_idle=idle.hubs / max(idle_s, 0.01),
        still_open=still_open,
    )


def _growth(before: Memory, after: Memory) -> Memory:
    return Memory(rss=after.rss - before.rss, pss=after.pss - before.pss)


if __name__ == "__main__":
    uvloop.run(child())
