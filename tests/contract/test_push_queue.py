"""Users that workers are to look at, against a real Valkey that may be away."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack

import pytest
import redis.asyncio

from hub.tasks import Tasks
from storage import jobs, keys, waking
from storage import push_queue as module
from storage.jobs import JobQueue, open_pool, parse_job
from storage.push_queue import LOOK, PushQueue
from storage.queues import Queue
from storage.redis import RedisLink
from tests.support.servers import KillableServer

pytestmark = pytest.mark.contract


class Rig:
    """The queue as two hubs and a worker have it."""

    def __init__(self, link: RedisLink, pool: redis.asyncio.Redis, tasks: Tasks, other: Tasks) -> None:
        self.link = link
        self.pool = pool
        self.tasks = tasks
        self.one = PushQueue(link, JobQueue(pool), tasks.start, "one")  # type: ignore[arg-type]
        self.two = PushQueue(link, JobQueue(pool), other.start, "two")  # type: ignore[arg-type]

    async def told(self) -> None:
        """Until a job has been asked for, and nothing is under way."""
        while not await self.link.call("ZCARD", keys.job_queue(Queue.PUSH)):  # noqa: ASYNC110  Valkey tells nobody
            await asyncio.sleep(0.01)

    async def waiting(self) -> set[str]:
        return {user.decode() for user in await self.link.call("SMEMBERS", keys.PUSH_USERS)}

    async def idle(self) -> None:
        while len(self.tasks):  # noqa: ASYNC110  tasks are waited for by nobody
            await asyncio.sleep(0.01)


async def rig_on(stack: AsyncExitStack, url: str) -> Rig:
    return Rig(
        await stack.enter_async_context(RedisLink(url)),
        await stack.enter_async_context(open_pool(url)),
        await stack.enter_async_context(Tasks()),
        await stack.enter_async_context(Tasks()),
    )


@pytest.fixture
async def rig(redis_url: str) -> AsyncIterator[Rig]:
    async with AsyncExitStack() as stack:
        yield await rig_on(stack, redis_url)


async def test_each_user_waits_once_and_is_taken_once(rig: Rig) -> None:
    rig.one.add(["ana", "bo"])
    rig.one.add(["ana"])
    rig.two.add(["ana", "cleo"])
    while await rig.waiting() != {"ana", "bo", "cleo"}:  # noqa: ASYNC110  Valkey tells nobody
        await asyncio.sleep(0.01)
    taken = await asyncio.gather(*(rig.one.take(1) for _ in range(2)), *(rig.two.take(1) for _ in range(2)))
    assert sorted(user for some in taken for user in some) == ["ana", "bo", "cleo"]
    assert await rig.two.take(10) == []


async def test_no_more_are_taken_than_asked_for(rig: Rig) -> None:
    rig.one.add(f"user-{number}" for number in range(50))
    await rig.told()
    some = await rig.one.take(20)
    assert len(set(some)) == 20
    assert len(await rig.one.take(500)) == 30


async def test_a_job_goes_with_them_one_for_each_process(rig: Rig) -> None:
    for _ in range(3):
        rig.one.add(["ana"])
    await rig.told()
    ids = await rig.link.call("ZRANGE", keys.job_queue(Queue.PUSH), 0, -1)
    assert len(ids) == 1
    job = parse_job(await rig.link.call("GET", b"arq:job:" + ids[0]))
    assert job is not None
    assert (job.function, job.args, job.kwargs) == (LOOK, [], {})
    rig.two.add(["ana"])
    while await rig.link.call("ZCARD", keys.job_queue(Queue.PUSH)) < 2:  # noqa: ASYNC110  Valkey tells nobody
        await asyncio.sleep(0.01)


async def test_nothing_is_lost_while_redis_is_away(
    own_redis: Callable[[], KillableServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "RETRIES", 1)
    monkeypatch.setattr(waking, "WAKE_EVERY_S", 0.01)
    server = own_redis()
    async with AsyncExitStack() as stack:
        rig = await rig_on(stack, server.url)
        server.kill()
        rig.one.add(["ana"])
        await rig.idle()
        rig.one.add(["bo"])
        await rig.idle()
        assert await rig.one.take(10) == []
        server.start()
        while not rig.link.is_connected:  # noqa: ASYNC110  a link tells nobody of a second connection
            await asyncio.sleep(0.01)
        rig.one.add(["cleo"])
        await rig.told()
        assert set(await rig.two.take(10)) == {"ana", "bo", "cleo"}


async def test_memory_is_bounded_while_redis_is_away(
    monkeypatch: pytest.MonkeyPatch, own_redis: Callable[[], KillableServer]
) -> None:
    """Beyond that the sweep finds them; and what is kept is told as soon as Redis is back."""
    monkeypatch.setattr(jobs, "RETRIES", 1)
    monkeypatch.setattr(waking, "WAKE_EVERY_S", 0.01)
    monkeypatch.setattr(module, "WAITING_MAX", 10)
    server = own_redis()
    async with AsyncExitStack() as stack:
        rig = await rig_on(stack, server.url)
        server.kill()
        for number in range(30):
            rig.one.add([f"user-{number}"])
            await rig.idle()
        server.start()
        while not rig.link.is_connected:  # noqa: ASYNC110  a link tells nobody of a second connection
            await asyncio.sleep(0.01)
        rig.one.add(["one-more"])
        await rig.told()
        assert set(await rig.two.take(100)) == {f"user-{number}" for number in range(10)}
