"""`hugmood dead-jobs`, as an operator types it, on a real PostgreSQL and a real Valkey."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from functools import partial
from subprocess import CompletedProcess

import pytest
from arq.connections import ArqRedis
from msgspec.structs import replace

from domain.ids import uuid7
from domain.times import to_ms
from storage import dead_jobs, keys
from storage.dead_jobs import DeadJob
from storage.jobs import JobQueue, encode_job, open_pool, parse_job
from storage.mood_queue import FIELD, SAVE, SHARDS, encode_mood, shard_of
from storage.postgres import Database
from storage.queues import Queue
from tests.support.hubs import make_friends
from tests.support.local import hugmood
from tests.support.notes import mood_at
from tests.support.workers import worker_running
from workers.counts import JobCounts
from workers.retry import Job, Permanent
from workers.runner import Runner

pytestmark = pytest.mark.integration

WHEN = datetime(2026, 11, 21, 12, tzinfo=UTC)
MOODS, PEOPLE = 10_000, 40
ENTRY = b"\x01\x00\xff an entry, as bytes \xc1"


class Desk:
    """Where an operator sits: the command, and what it works on."""

    def __init__(self, database_url: str, redis_url: str, database: Database, redis: ArqRedis) -> None:
        self.database = database
        self.redis = redis
        self._settings = {"HUGMOOD_DATABASE_URL": database_url, "HUGMOOD_REDIS_URL": redis_url}

    async def command(self, *arguments: str, **settings: str) -> "CompletedProcess[str]":
        """`hugmood dead-jobs` with *arguments*."""
        return await asyncio.to_thread(partial(hugmood, "dead-jobs", *arguments, **(self._settings | settings)))

    async def bury(self, job_id: str, *, queue: str = Queue.MOODS, function: str = SAVE, reason: str = "bad") -> int:
        """The id of a dead job with one argument of bytes."""
        payload = encode_job({"f": function, "a": [ENTRY], "k": {"twice": True}, "et": 1})
        await dead_jobs.save(self.database, DeadJob(queue, job_id, function, WHEN, 5, reason, payload))
        found: int = await self.database.fetchval("select max(id) from dead_jobs")
        return found

    async def ids(self) -> list[int]:
        """Of what is in the table."""
        return [row["id"] for row in await self.database.fetch("select id from dead_jobs order by id")]

    async def until_stored(self, moods: int) -> None:
        """Return once there are so many, and nothing waits in the streams. Raises: TimeoutError."""
        async with asyncio.timeout(90):
            while await self.database.fetchval("select count(*) from moods") < moods or await self._streamed():  # noqa: ASYNC110  a worker's
                await asyncio.sleep(0.1)

    async def _streamed(self) -> int:
        return sum([await self.redis.xlen(keys.mood_stream(shard)) for shard in range(SHARDS)])

    async def waiting(self, queue: str = Queue.MOODS) -> list[str]:
        """The ids of jobs in Redis."""
        return [job.decode() for job in await self.redis.zrange(keys.job_queue(queue), 0, -1)]


@pytest.fixture
async def desk(database_url: str, redis_url: str) -> AsyncIterator[Desk]:
    async with Database(database_url) as database, open_pool(redis_url) as redis:
        yield Desk(database_url, redis_url, database, redis)


async def test_the_list_is_newest_first_and_filtered(desk: Desk) -> None:
    assert (await desk.command("list")).stderr == "There is none.\n"
    first = await desk.bury("moods:1", reason="two\nlines")
    second = await desk.bury("moods:2", function="moods.drain")
    third = await desk.bury("care:3", queue=Queue.CARE)
    done = await desk.command("list")
    assert done.returncode == 0, done.stderr
    header, *lines = done.stdout.splitlines()
    assert header.split()[0] == "id"
    assert [int(line.split()[0]) for line in lines] == [third, second, first]
    assert "two lines" in lines[2]
    by_queue = await desk.command("list", "--queue", "moods", "--json")
    assert [json.loads(line)["id"] for line in by_queue.stdout.splitlines()] == [second, first]
    assert json.loads(by_queue.stdout.splitlines()[1])["reason"] == "two\nlines"
    by_function = await desk.command("list", "--queue", "moods", "--function", SAVE, "--json")
    assert [json.loads(line)["id"] for line in by_function.stdout.splitlines()] == [first]
    limited = await desk.command("list", "--limit", "2", "--json")
    assert len(limited.stdout.splitlines()) == 2
    assert "more than these 2" in limited.stderr


async def test_show_tells_all_but_bytes(desk: Desk) -> None:
    job = await desk.bury("moods:1", reason="why")
    done = await desk.command("show", str(job), "999")
    assert done.returncode == 1
    assert "There is no dead job 999." in done.stderr
    assert f"{len(ENTRY)} bytes" in done.stdout
    assert "twice=True" in done.stdout
    assert "an entry" not in done.stdout
    assert "not possible" not in done.stdout


async def test_what_is_put_back_is_as_it_was_and_leaves_the_table(desk: Desk) -> None:
    job, other = await desk.bury("moods:1"), await desk.bury("moods:2")
    done = await desk.command("requeue", str(job))
    assert (done.returncode, done.stdout, done.stderr) == (0, "1 job put back into the queue.\n", "")
    assert await desk.ids() == [other]
    assert await desk.waiting() == ["moods:1"]
    queued = parse_job(await desk.redis.get("arq:job:moods:1"))
    assert queued is not None
    assert (queued.function, queued.args, queued.kwargs) == (SAVE, [ENTRY], {"twice": True})


async def test_all_of_a_queue(desk: Desk) -> None:
    for number in range(450):  # more than two batches
        await desk.bury(f"moods:{number}")
    other = await desk.bury("care:1", queue=Queue.CARE)
    done = await desk.command("requeue", "--all", "--queue", "moods")
    assert (done.returncode, done.stdout) == (0, "450 jobs put back into the queue.\n")
    assert await desk.ids() == [other]
    assert len(await desk.waiting()) == 450
    dropped = await desk.command("drop", "--all", "--queue", "care")
    assert (dropped.returncode, dropped.stdout) == (0, "1 job dropped.\n")
    assert await desk.ids() == []
    assert await desk.waiting(Queue.CARE) == []


async def test_drop_forgets_those_named_only(desk: Desk) -> None:
    job, other = await desk.bury("moods:1"), await desk.bury("moods:2")
    done = await desk.command("drop", str(job), "999")
    assert (done.returncode, done.stdout) == (1, "1 job dropped.\n")
    assert "1 of 2 were not there" in done.stderr
    assert await desk.ids() == [other]


async def test_what_cannot_run_again_stays(desk: Desk) -> None:
    waiting = await desk.bury("moods:same")
    assert await JobQueue(desk.redis).enqueue(Queue.MOODS, SAVE, b"another", job_id="same")
    for payload in (None, b"\xc1"):
        await dead_jobs.save(desk.database, DeadJob(Queue.MOODS, f"moods:{payload!r}", None, None, 1, "x", payload))
    await desk.bury("gone:1", queue="gone")
    good = await desk.bury("moods:good")
    before = await desk.ids()
    done = await desk.command("requeue", *map(str, before))
    assert (done.returncode, done.stdout) == (1, "1 job put back into the queue.\n")
    assert await desk.ids() == before[:-1]
    assert set(await desk.waiting()) == {"moods:good", "moods:same"}
    assert f"{waiting} stays: a job with this id waits or runs already." in done.stderr
    assert len(done.stderr.splitlines()) == 4
    queued = parse_job(await desk.redis.get("arq:job:moods:same"))
    assert queued is not None
    assert queued.args == [b"another"]
    assert good not in await desk.ids()


async def test_nothing_is_deleted_while_redis_is_away(desk: Desk) -> None:
    job = await desk.bury("moods:1")
    done = await desk.command("requeue", str(job), HUGMOOD_REDIS_URL="redis://127.0.0.1:1")
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert await desk.ids() == [job]


@pytest.mark.parametrize("given", [[], ["--all"], ["1", "--all", "--queue", "moods"], ["1", "--queue", "moods"]])
@pytest.mark.parametrize("action", ["requeue", "drop"])
async def test_which_jobs_must_be_said_in_one_way(desk: Desk, action: str, given: list[str]) -> None:
    await desk.bury("moods:1")
    done = await desk.command(action, *given)
    assert done.returncode == 2
    assert "Give the ids of jobs, or --all with --queue." in done.stderr
    assert len(await desk.ids()) == 1


async def test_a_job_put_back_is_run_by_a_worker(desk: Desk) -> None:
    ran: list[bytes] = []
    is_mended, is_buried, has_run = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def save(entry: bytes) -> None:
        if not is_mended.is_set():
            raise Permanent("cannot be stored")
        ran.append(entry)
        has_run.set()

    async def bury(job: DeadJob) -> None:
        await dead_jobs.save(desk.database, job)
        is_buried.set()

    runner = Runner(Queue.MOODS, [Job(SAVE, save)], desk.redis, bury, JobCounts())
    task = asyncio.create_task(runner.run(stop_wait_s=5))
    try:
        async with asyncio.timeout(20):
            await JobQueue(desk.redis).enqueue(Queue.MOODS, SAVE, ENTRY, job_id="one")
            await is_buried.wait()
            listed = json.loads((await desk.command("list", "--json")).stdout)
            assert (listed["job_id"], listed["function"], listed["reason"]) == ("moods:one", SAVE, "cannot be stored")
            is_mended.set()
            while await desk.waiting():  # noqa: ASYNC110  ARQ takes it out of the queue once it is buried
                await asyncio.sleep(0.02)
            assert (await desk.command("requeue", str(listed["id"]))).returncode == 0
            await has_run.wait()
    finally:
        runner.stop()
        await task
    assert ran == [ENTRY]
    assert await desk.ids() == []


@pytest.mark.timeout(200)  # 10,000 moods through one worker
async def test_one_poisoned_mood_among_many(desk: Desk, database_url: str, redis_url: str) -> None:
    people = await make_friends(database_url, PEOPLE)
    now = datetime.now(UTC)
    moods = [
        mood_at((people[number % PEOPLE].id, now - timedelta(minutes=number), uuid7(to_ms(now))), None)
        for number in range(MOODS)
    ]
    moods[MOODS // 2] = replace(moods[MOODS // 2], mood="cursed")
    await desk.database.execute("alter table moods add constraint not_cursed check (mood <> 'cursed')")
    async with desk.redis.pipeline(transaction=False) as pipe:
        for each in moods:
            pipe.xadd(keys.mood_stream(shard_of(each.user)), {FIELD: encode_mood(each)})
        await pipe.execute()
    async with worker_running(database_url, redis_url):
        await desk.until_stored(MOODS - 1)
        listed = [json.loads(line) for line in (await desk.command("list", "--json")).stdout.splitlines()]
        assert [(job["queue"], job["function"]) for job in listed] == [("moods", SAVE)]
        assert "not_cursed" in listed[0]["reason"]
        job = str(listed[0]["id"])
        await desk.database.execute("alter table moods drop constraint not_cursed")
        assert (await desk.command("requeue", job)).returncode == 0
        await desk.until_stored(MOODS)
    assert await desk.ids() == []
