"""The composition root of a worker process: everything concrete is named and wired here."""

import asyncio
import gc
import logging
import os
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from functools import partial

from arq.connections import ArqRedis

from protocol.nodes import Sight
from storage import dead_jobs
from storage.directory import Directory
from storage.doorbell import Doorbell
from storage.jobs import JobQueue, open_pool
from storage.migrate import check
from storage.mood_commits import MoodCommits
from storage.mood_sharing import load_viewers
from storage.mood_streams import MoodStream
from storage.postgres import Database
from storage.presence import Presence
from storage.queues import Queue
from storage.redis import RedisLink
from storage.ringing import Ringing
from storage.room_mail import RoomMailer
from workers.care import Care
from workers.counts import JobCounts
from workers.groups import GroupCare
from workers.health import Health, OperatorsServer, listen
from workers.moods import MoodWork
from workers.patterns import PatternCare
from workers.requests import RequestCare
from workers.retry import Bury, Job
from workers.runner import POLL_DELAY_S, Runner
from workers.settings import WorkerSettings
from workers.streaks import StreakNights

COLLECT_AFTER = 50_000  # objects more than before; Python's own is 700
POLL_DELAYS_S = {Queue.CARE: 0.2}  # nobody waits for housekeeping, and looking costs even when there is nothing

log = logging.getLogger("hugmood.workers")


async def serve(settings: WorkerSettings) -> None:
    """Run the jobs of `settings.queues` until SIGTERM or SIGINT; returns when running jobs have ended.

    Redis may come and go meanwhile. Raises: Unavailable if PostgreSQL is away at the start, SchemaMismatch,
    OSError if the metrics port cannot be opened.
    """
    logging.getLogger("arq").setLevel(logging.WARNING)  # it tells every job with its arguments
    counts = JobCounts()
    async with AsyncExitStack() as stack:
        port = stack.enter_context(listen(settings.metrics_host, settings.metrics_port))
        database = await stack.enter_async_context(
            Database(settings.database_url, max_size=settings.database_connections)
        )
        await check(database)
        redis = await stack.enter_async_context(open_pool(settings.jobs_redis_url or settings.redis_url))
        link = RedisLink(settings.redis_url)
        await stack.enter_async_context(link)
        bury = partial(dead_jobs.save, database)
        jobs = _jobs(settings, database, link, redis, bury, counts)
        runners = [
            Runner(queue, jobs[queue], redis, bury, counts, poll_delay_s=POLL_DELAYS_S.get(queue, POLL_DELAY_S))
            for queue in settings.queues
        ]
        operators = OperatorsServer(Health(database, redis, settings.queues, counts).app())
        stopping = stack.enter_context(_stop_signals())
        async with asyncio.TaskGroup() as group:
            serving = group.create_task(operators.serve(sockets=[port]), name="operators")
            running = [group.create_task(runner.run(settings.stop_wait_s), name=runner.queue) for runner in runners]
            _spare_collector()
            log.info("worker started", extra={"queues": [str(queue) for queue in settings.queues]})
            await stopping.wait()
            for runner in runners:
                runner.stop()
            await asyncio.gather(*running)
            operators.should_exit = True
            await serving
    log.info("worker stopped")


def _jobs(
    settings: WorkerSettings, database: Database, link: RedisLink, redis: ArqRedis, bury: Bury, counts: JobCounts
) -> dict[Queue, Sequence[Job]]:
    """A worker is no node: it takes part in the directory and the doorbell, but nobody is connected to it."""
    name = f"worker-{os.urandom(8).hex()}"
    directory, doorbell = Directory(link, name), Doorbell(link, name)
    presence = Presence(link, database, directory, doorbell, _show_nobody)
    ringing = Ringing(directory, doorbell)
    mailer = RoomMailer(name, database, presence, directory, doorbell, unsure=lambda _user: True)
    moods = MoodWork(
        MoodCommits(database, _now_ms),
        lambda shard: MoodStream(redis, shard, name),
        JobQueue(redis),
        ringing,
        bury,
        partial(load_viewers, database),
        counts,
    )
    return {
        Queue.CARE: [
            *Care(settings.database_url, database, directory, presence, settings.mood_retention_months).jobs(),
            *RequestCare(database, ringing).jobs(),
            *GroupCare(database, presence, directory, ringing, mailer, _now_ms).jobs(),
        ],
        Queue.MOODS: [
            *moods.jobs(),
            *StreakNights(database, ringing, _now_ms).jobs(),
            *PatternCare(database, _now_ms).jobs(),
        ],
    }


def _spare_collector() -> None:
    """What exists now lives as long as the process, and a batch of moods leaves no cycles: looking for some was a seventh of its cost."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER, 20, 50)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _show_nobody(_sight: Sight) -> None:
    return None


@contextmanager
def _stop_signals() -> Iterator[asyncio.Event]:
    """Set by SIGTERM or SIGINT."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, stopping.set)
    try:
        yield stopping
    finally:
        for signum in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(signum)
