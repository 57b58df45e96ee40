"""Workers against real servers: what fails is tried again or recorded, and nothing ends them."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

import msgspec
import pytest
from arq.connections import ArqRedis

from domain.errors import Unavailable
from storage import dead_jobs, keys
from storage.dead_jobs import DeadJob
from storage.jobs import JobQueue, open_pool
from storage.postgres import Database
from storage.queues import Queue
from tests.support import job_worker
from workers import retry, runner
from workers.counts import JobCounts
from workers.retry import Bury, Job, Permanent, Transient
from workers.runner import Runner

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]


class Stage:
    """A queue, a database, and the counts of the runners on it."""

    def __init__(self, database_url: str, redis_url: str, database: Database, redis: ArqRedis) -> None:
        self.database_url = database_url
        self.redis_url = redis_url
        self.database = database
        self.redis = redis
        self.queue = JobQueue(redis)
        self.counts = JobCounts()
        self.bury: Bury = partial(dead_jobs.save, database)

    @asynccontextmanager
    async def running(self, *jobs: Job) -> AsyncIterator[Runner]:
        """A runner of *jobs* for the block."""
        one = Runner(Queue.CARE, jobs, self.redis, self.bury, self.counts)
        task = asyncio.create_task(one.run(stop_wait_s=5))
        try:
            yield one
        finally:
            one.stop()
            await task

    async def dead(self) -> list[tuple[str, str | None, str, int]]:
        """(job id, function, reason, tries) of what was recorded."""
        rows = await self.database.fetch("select job_id, function, reason, tries from dead_jobs order by id")
        return [(row["job_id"], row["function"], row["reason"], row["tries"]) for row in rows]

    async def is_empty(self) -> bool:
        """Nothing is left in Redis: no queue, no job, no counter."""
        return await self.redis.keys("*") in ([], [f"{keys.job_queue(Queue.CARE)}:health".encode()])


@pytest.fixture
async def stage(database_url: str, redis_url: str) -> AsyncIterator[Stage]:
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(Database(database_url))
        redis = await stack.enter_async_context(open_pool(redis_url))
        yield Stage(database_url, redis_url, database, redis)


async def until(condition: Callable[[], Awaitable[object]], within_s: float = 20) -> None:
    """Return once *condition* holds. Raises: TimeoutError."""
    async with asyncio.timeout(within_s):
        while not await condition():  # noqa: ASYNC110  what is waited for is in other processes
            await asyncio.sleep(0.02)


@pytest.fixture
def no_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries at once; how long they wait is tested without servers."""
    monkeypatch.setattr(retry, "BACKOFF_BASE_S", 0.06)
    monkeypatch.setattr(retry, "BACKOFF_MAX_S", 0.06)


async def test_a_transient_failure_is_tried_again_after_its_time(stage: Stage) -> None:
    loop = asyncio.get_running_loop()
    starts: list[float] = []

    async def work() -> None:
        starts.append(loop.time())
        if len(starts) == 1:
            raise Transient("busy", retry_after_s=0.3)

    async with stage.running(Job("test.work", work)):
        await stage.queue.enqueue(Queue.CARE, "test.work", job_id="one")
        await until(stage.is_empty)
    assert len(starts) == 2
    assert starts[1] - starts[0] >= 0.3
    assert stage.counts.jobs == {("care", "test.work", "retried"): 1, ("care", "test.work", "done"): 1}
    assert await stage.dead() == []


async def test_the_fifth_failure_is_the_last(stage: Stage, no_wait: None) -> None:
    starts = []

    async def work(value: int) -> None:
        starts.append(value)
        raise Transient("busy")

    async with stage.running(Job("test.work", work)):
        await stage.queue.enqueue(Queue.CARE, "test.work", 7, job_id="one")
        await until(stage.is_empty)
    assert starts == [7] * 5
    assert await stage.dead() == [("care:one", "test.work", "busy", 5)]


async def test_a_permanent_failure_is_recorded_at_once(stage: Stage) -> None:
    async def work() -> None:
        raise Permanent("no such user")

    async with stage.running(Job("test.work", work)):
        await stage.queue.enqueue(Queue.CARE, "test.work", job_id="one")
        await until(stage.is_empty)
    assert await stage.dead() == [("care:one", "test.work", "no such user", 1)]


async def nothing() -> None:
    """A job for runners that need one."""


async def test_unknown_expired_and_unreadable_jobs_are_recorded(stage: Stage) -> None:
    queue = keys.job_queue(Queue.CARE)
    await stage.queue.enqueue(Queue.CARE, "test.unknown", "argument", job_id="unknown")
    await stage.redis.zadd(queue, {"care:expired": 1, "care:garbage": 2, "care:shape": 3})
    await stage.redis.set("arq:job:care:garbage", b"\x80\x04garbage")
    shape = msgspec.msgpack.encode({"f": ["unhashable"], "a": [], "k": {}, "et": 1, "t": None})
    await stage.redis.set("arq:job:care:shape", shape)
    async with stage.running(Job("test.work", nothing)):
        await until(stage.is_empty)
        await stage.queue.enqueue(Queue.CARE, "test.work")  # and the runner still runs
        await until(stage.is_empty)
    assert sorted(await stage.dead()) == [
        ("care:expired", None, "job expired", 1),
        ("care:garbage", None, "unable to deserialize job", 1),
        ("care:shape", None, "unable to deserialize job", 1),
        ("care:unknown", "test.unknown", "function 'test.unknown' not found", 1),
    ]
    payload = await stage.database.fetchval("select payload from dead_jobs where job_id = 'care:garbage'")
    assert payload == b"\x80\x04garbage"
    assert stage.counts.jobs["care", "test.work", "done"] == 1
    assert stage.counts.restarts == 0


async def test_a_job_that_kills_its_worker_each_time_is_given_up(stage: Stage) -> None:
    await stage.queue.enqueue(Queue.CARE, "test.work", job_id="one")
    await stage.redis.set("arq:retry:care:one", runner.STARTS_MAX)
    async with stage.running(Job("test.work", nothing)):
        await until(stage.is_empty)
    [(job_id, function, reason, tries)] = await stage.dead()
    assert (job_id, function, tries) == ("care:one", "test.work", runner.STARTS_MAX + 1)
    assert "max 10 retries exceeded" in reason


async def test_while_nothing_can_be_recorded_nothing_is_dropped(
    stage: Stage, no_wait: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retry, "UNRECORDED_RETRY_S", 0.0)
    monkeypatch.setattr(runner, "UNRECORDED_RETRY_S", 0.1)
    refused: set[str] = set()
    record = stage.bury

    async def bury(job: DeadJob) -> None:
        if job.job_id not in refused:
            refused.add(job.job_id)
            raise Unavailable
        await record(job)

    async def work() -> None:
        raise Permanent("no such user")

    stage.bury = bury
    async with stage.running(Job("test.work", work)):
        await stage.queue.enqueue(Queue.CARE, "test.work", job_id="permanent")
        await stage.queue.enqueue(Queue.CARE, "test.unknown", job_id="unknown")
        await until(stage.is_empty)
    assert {job_id for job_id, *_ in await stage.dead()} == refused == {"care:permanent", "care:unknown"}


async def test_one_worker_of_many_runs_a_job_and_a_tick(stage: Stage) -> None:
    runs: list[str] = []

    async def work(key: str) -> None:
        runs.append(key)

    async def tick() -> None:
        runs.append("tick")

    jobs = (Job("test.work", work), Job("test.tick", tick, seconds=frozenset(range(60))))
    async with stage.running(*jobs), stage.running(*jobs), stage.running(*jobs):
        for number in range(50):
            await stage.queue.enqueue(Queue.CARE, "test.work", str(number))
        await until(lambda: _holds(runs.count("tick") >= 2))
        await until(lambda: _holds(len(runs) - runs.count("tick") >= 50))
        ticked = await stage.redis.keys("arq:in-progress:test.tick*")
    assert sorted(run for run in runs if run != "tick") == sorted(map(str, range(50)))
    assert runs.count("tick") <= len(ticked) + 1  # one per second, whoever was first


async def _holds(value: bool) -> bool:
    return value


async def test_stopping_lets_running_jobs_end(stage: Stage) -> None:
    started, finish = asyncio.Event(), asyncio.Event()
    ended = []

    async def work() -> None:
        started.set()
        await finish.wait()
        ended.append(1)

    async with stage.running(Job("test.work", work)) as one:
        await stage.queue.enqueue(Queue.CARE, "test.work", job_id="one")
        await started.wait()
        one.stop()
        await stage.queue.enqueue(Queue.CARE, "test.work", job_id="late")
        finish.set()
    assert ended == [1]
    assert await stage.redis.zrange(keys.job_queue(Queue.CARE), 0, -1) == [b"care:late"]


async def test_a_job_that_outlasts_the_stop_goes_back_to_the_queue(stage: Stage) -> None:
    started, cancelled = asyncio.Event(), []

    async def work() -> None:
        started.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(1)
            raise

    one = Runner(Queue.CARE, [Job("test.work", work)], stage.redis, stage.bury, stage.counts)
    task = asyncio.create_task(one.run(stop_wait_s=0.1))
    await stage.queue.enqueue(Queue.CARE, "test.work", job_id="one")
    await started.wait()
    one.stop()
    await task
    assert cancelled == [1]
    async with stage.running(Job("test.work", nothing)):
        await until(stage.is_empty)
    assert stage.counts.jobs["care", "test.work", "done"] == 1
    assert await stage.dead() == []


@asynccontextmanager
async def worker_process(stage: Stage) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.support.job_worker",
        stage.database_url,
        stage.redis_url,
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        assert (await process.stdout.readline()).strip() == b"ready"
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def effect(stage: Stage, key: str) -> tuple[int, bool] | None:
    row = await stage.database.fetchrow("select starts, is_done from effects where key = $1", key)
    return None if row is None else (row["starts"], row["is_done"])


async def test_the_job_of_a_killed_worker_runs_again_with_its_effect_once(stage: Stage) -> None:
    async with worker_process(stage) as first:
        await stage.queue.enqueue(Queue.CARE, "test.hang_first", "key", job_id="one")
        await until(lambda: effect(stage, "key"))
        first.kill()
        await first.wait()
    async with worker_process(stage):
        await until(stage.is_empty, within_s=job_worker.TIMEOUT_S + job_worker.GRACE_S + 15)
        assert await effect(stage, "key") == (2, False)  # two starts, one row
    assert await stage.dead() == []


async def test_a_worker_told_to_end_finishes_its_job_first(stage: Stage) -> None:
    async with worker_process(stage) as process:
        await stage.queue.enqueue(Queue.CARE, "test.take_a_moment", "key")
        await until(lambda: effect(stage, "key"))
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 15) == 0
    assert await effect(stage, "key") == (1, True)
    assert await stage.is_empty()
