"""What a test does to pushes: providers that fail in every way, and workers and servers that die.

Each outage lasts until it is felt and the others have gone on without it, and ends when what has waited is sent.
"""

import asyncio
import logging
import os
import random
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial

from msgspec import Struct, field
from msgspec.structs import replace

from tests.chaos.phones import now_ms
from tests.chaos.push_facts import Watch
from tests.chaos.stack import Stack
from tests.support.fake_push import FakePush
from tests.support.push_faults import Fault, Push

PROVIDERS = ("fcm", "apns", "webpush")
WITHIN_S = 120.0
RETRY_AFTER_S = 12  # longer than pushes are merged: the next one may be out before the one that waits
FELT = 5  # so many pushes wait for a provider that is away
OTHERS = 10  # and so many go to others meanwhile
ON_THE_WAY_MS = 1_000  # what was answered just before the line was cut may not have come

_WAITING = """
select (count(*) >= $3)::int from deliveries
where provider = $1 and created_at > to_timestamp($2 / 1000.0) and due_at is not null
"""
_SENT = """
select (count(*) >= $3)::int from deliveries
where provider = any($1) and created_at > to_timestamp($2 / 1000.0) and state = 'accepted'
"""
_DRAINED = """
select (count(*) = 0)::int from deliveries
where provider = any($1) and created_at <= to_timestamp($2 / 1000.0) and due_at is not null
"""

log = logging.getLogger("hugmood.chaos")

Deed = Callable[[], Awaitable[None]]


class Harm(Struct):
    """*cut*: when whose answers may have been lost on the way, Unix ms. *unnoted*: deliveries whose end was not on record when
    a worker was killed."""

    stack: Stack
    fakes: FakePush
    watch: Watch
    cut: list[tuple[str, int, int]] = field(default_factory=list)
    unnoted: set[str] = field(default_factory=set)

    async def do_all(self, chance: random.Random) -> None:
        """One after the other. Which provider fails in which way is left to *chance*."""
        too_many = Fault(status=429, retry_after=str(RETRY_AFTER_S))
        kept = Fault(what="close", is_kept=True)
        whose = iter(chance.sample(PROVIDERS * 4, len(PROVIDERS) * 4))
        provider = next(whose)
        await self._outage(provider, partial(self.fakes.shut, provider), partial(self.fakes.open_again, provider))
        await self.kill_worker(0)
        await self._misbehave(next(whose), replace(too_many, times=0))
        await self._misbehave(next(whose), Fault(what="hang", times=0))
        await self.stack.flushall()
        await self._misbehave(next(whose), Fault(status=503, times=0))
        await self._passing("fcm", Fault(status=401, body="<html><h1>Unauthorized</h1></html>"))
        await self._passing(next(whose), too_many, Fault(status=500))
        await self.kill_worker(1)
        await self._passing("apns", *[Fault(what="goaway")] * 3)
        await self._passing(next(whose), kept, kept, kept)
        provider = next(whose)  # also whoever connects anew waits for TLS
        await self._outage(provider, partial(self.fakes.hold, provider), partial(self.fakes.let_through, provider))
        await self.stack.end(signal.SIGINT, "postgres")  # its fast shutdown
        await self._passing(next(whose), kept, kept, kept)
        await self.stack.end(signal.SIGKILL, "valkey")
        await asyncio.gather(self.kill_worker(0), self.kill_worker(1))

    async def kill_worker(self, index: int) -> None:
        """Until another runs in its place."""
        log.warning("worker %s is killed", index)
        pid = self.stack.pid("workers", index)
        os.kill(pid, signal.SIGKILL)
        self.unnoted |= await self.watch.ids("select id from deliveries where state = 'sent'")
        await self.stack.replaced(pid, "workers", index)

    async def _misbehave(self, provider: str, fault: Fault) -> None:
        log.warning("%s: %s, %s", provider, fault.what, fault.status)
        await self._outage(
            provider, partial(self.fakes.fault, provider, fault), partial(self.fakes.release, provider), is_cut=False
        )

    async def _passing(self, provider: str, *faults: Fault) -> None:
        """Until each has happened."""
        log.warning("%s: %s", provider, [fault.what if fault.what != "answer" else fault.status for fault in faults])
        before = len([each for each in await self.fakes.tries() if each.provider == provider])
        for fault in faults:
            await self.fakes.fault(provider, fault)
        async with asyncio.timeout(WITHIN_S):
            while len([e for e in await self.fakes.tries() if e.provider == provider]) < before + len(faults) + 1:  # noqa: ASYNC110  elsewhere
                await asyncio.sleep(0.2)

    async def _outage(self, provider: str, begin: Deed, end: Deed, *, is_cut: bool = True) -> None:
        others = [each for each in PROVIDERS if each != provider]
        log.warning("%s is away", provider)
        async with self._cutting(provider, is_cut=is_cut):
            since_ms = now_ms()
            await begin()
            await self.watch.until(_WAITING, provider, since_ms, FELT, within_s=WITHIN_S)
            await self.watch.until(_SENT, others, since_ms, OTHERS, within_s=WITHIN_S)
            await self._drained(others)
            await end()
        await self._drained([provider])

    async def _drained(self, providers: Sequence[str]) -> None:
        await self.watch.until(_DRAINED, providers, now_ms(), within_s=WITHIN_S)

    @asynccontextmanager
    async def _cutting(self, provider: str, *, is_cut: bool) -> AsyncIterator[None]:
        since_ms = now_ms() - ON_THE_WAY_MS
        yield
        if is_cut:
            self.cut.append((provider, since_ms, now_ms()))

    def is_unheard(self, push: Push) -> bool:
        """May the worker not have learnt that *push* was taken?"""
        was_cut = any(who == push.provider and since <= push.at_ms <= until for who, since, until in self.cut)
        return push.answer == 0 or was_cut or push.id in self.unnoted
