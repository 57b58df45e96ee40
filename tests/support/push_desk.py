"""A line to a provider that answers as a test tells it, beside a worker that decides."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Self

from tests.support.push_rig import Rig
from tests.support.pushes import RING
from workers.push.counts import PushCounts
from workers.push.outgoing import Answer, Outgoing, Verdict
from workers.push.sending import FRESH_MS, Line

ACCEPTED = Answer(verdict=Verdict.ACCEPTED, detail="200", ref="r")
BUSY = Answer(verdict=Verdict.RETRY, detail="503")
SILENT = Answer(verdict=Verdict.RETRY, detail="nothing", is_silent=True)
GONE = Answer(verdict=Verdict.GONE, detail="410")
RETRY_S = 5.0
AT_ONCE = 4
FRESH_S = FRESH_MS / 1000


class Scripted:
    """A provider that answers as it is told, in turn, and then `usual`."""

    def __init__(self, name: str = "fcm") -> None:
        self.name = name
        self.in_flight_max = AT_ONCE
        self.answers: deque[Answer] = deque()
        self.usual = ACCEPTED
        self.seen: list[Outgoing] = []
        self.flying = 0
        self.most_flying = 0
        self.is_open = asyncio.Event()
        self.is_open.set()
        self.entered = 0

    async def __aenter__(self) -> Self:
        self.entered += 1
        return self

    async def __aexit__(self, *_: object) -> None:
        self.entered -= 1

    async def send(self, outgoing: Outgoing) -> Answer:
        assert self.entered == 1
        self.seen.append(outgoing)
        self.flying += 1
        self.most_flying = max(self.flying, self.most_flying)
        try:
            await self.is_open.wait()
        finally:
            self.flying -= 1
        return self.answers.popleft() if self.answers else self.usual


class Desk:
    """A line to a scripted provider, beside a worker that decides."""

    def __init__(self, rig: Rig, provider: Scripted) -> None:
        self.rig = rig
        self.provider = provider
        self.counts = PushCounts()
        self.line = Line(provider, rig.database, RING, rig.asking, self.counts, rig.clock, RETRY_S)

    async def push(self, sender: str, recipient: str) -> str:
        """A hug that is to be sent now, whatever came before; its delivery."""
        await self.rig.database.execute("update bursts set sent_at = null")
        await self.rig.hug(sender, recipient)
        [pushed] = await self.rig.look()
        self.line.wake()
        return pushed.id

    async def push_to(self, count: int) -> list[str]:
        """A push to each of so many people."""
        pairs = [await self.rig.friends(2) for _ in range(count)]
        return [await self.push(bo, ana) for ana, bo in pairs]

    async def state(self, delivery: str) -> tuple[str, str | None, int]:
        """State, reason, attempts."""
        [found] = [each for each in await self.rig.pushed() if each.id == delivery]
        return found.state, found.reason, found.attempts

    async def until(self, delivery: str, *states: str) -> tuple[str, str | None, int]:
        """Wait until something has put it into one of *states*."""
        await until(lambda: self._is(delivery, states))
        return await self.state(delivery)

    async def _is(self, delivery: str, states: tuple[str, ...]) -> bool:
        state, reason, _ = await self.state(delivery)
        return state in states and (state, reason) != ("queued", None)

    async def due_in_s(self, delivery: str) -> float:
        due = await self.rig.database.fetchval("select due_at from deliveries where id = $1", delivery)
        seconds: float = (due - self.rig.clock.now).total_seconds()
        return seconds

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """The line runs; at the end it is cancelled, as when a worker ends."""
        running = asyncio.create_task(self.line.run())
        try:
            yield
        finally:
            assert not running.done(), running.exception()
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait until *condition* holds."""
    while not await condition():  # noqa: ASYNC110  PostgreSQL tells nobody
        await asyncio.sleep(0.005)


async def until_so(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110  a script tells nobody
        await asyncio.sleep(0.005)


async def is_state(desk: Desk, delivery: str, state: tuple[str, str, int]) -> bool:
    return await desk.state(delivery) == state


async def is_blocked(rig: Rig) -> bool:
    count: int = await rig.database.fetchval("select count(*) from pg_locks where not granted")
    return count > 0
