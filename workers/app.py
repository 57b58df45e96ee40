"""The composition root of a worker process: everything concrete is named and wired here."""

import asyncio
import gc
import logging
import os
import signal
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager, suppress
from functools import partial

from arq.connections import ArqRedis

from protocol.nodes import Sight
from storage import dead_jobs
from storage.directory import Directory
from storage.doorbell import Doorbell
from storage.encryption import KeyRing
from storage.jobs import JobQueue, open_pool
from storage.migrate import check
from storage.mood_commits import MoodCommits
from storage.mood_sharing import load_viewers
from storage.mood_streams import MoodStream
from storage.postgres import Database
from storage.presence import Presence
from storage.push_queue import PushQueue
from storage.queues import Queue
from storage.reach import Reach
from storage.redis import RedisLink
from storage.ringing import Ringing
from storage.room_mail import RoomMailer
from workers.care import Care
from workers.counts import JobCounts
from workers.groups import GroupCare
from workers.health import Health, OperatorsServer, listen
from workers.moods import MoodWork
from workers.patterns import PatternCare
from workers.push.counts import PushCounts
from workers.push.pipeline import Pipeline, build_providers
from workers.reminders import Reminders
from workers.requests import RequestCare
from workers.retry import Bury, Job
from workers.runner import POLL_DELAY_S, Runner
from workers.settings import WorkerSettings
from workers.streaks import StreakNights

COLLECT_AFTER = 50_000  # objects more than before; Python's own is 700
POLL_DELAYS_S = {Queue.CARE: 0.2}  # nobody waits for housekeeping, and looking costs even when there is nothing

Start = Callable[[Coroutine[object, object, None], str], None]

log = logging.getLogger("hugmood.workers")


async def serve(settings: WorkerSettings) -> None:
    """Run the jobs of `settings.queues` until SIGTERM or SIGINT; returns when running jobs have ended.

    Redis may come and go meanwhile. Raises: Unavailable if PostgreSQL is away at the start, SchemaMismatch,
    OSError if the metrics port cannot be opened.
    """
    logging.getLogger("arq").setLevel(logging.WARNING)  # it tells every job with its arguments
    counts, pushes = JobCounts(), PushCounts()
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
        operators = OperatorsServer(Health(database, redis, settings.queues, counts, pushes).app())
        stopping = stack.enter_context(_stop_signals())
        async with asyncio.TaskGroup() as group:
            context = _Context(settings, database, link, redis, partial(_start, group))
            pipeline = await _pipeline(context, pushes) if Queue.PUSH in settings.queues else None
            jobs = _jobs(context, bury, counts, pipeline)
            runners = [
                Runner(queue, jobs[queue], redis, bury, counts, poll_delay_s=POLL_DELAYS_S.get(queue, POLL_DELAY_S))
                for queue in settings.queues
            ]
            serving = group.create_task(operators.serve(sockets=[port]), name="operators")
            running = [group.create_task(runner.run(settings.stop_wait_s), name=runner.queue) for runner in runners]
            sending = group.create_task(pipeline.run(), name="pushes") if pipeline is not None else None
            _spare_collector()
            log.info("worker started", extra={"queues": [str(queue) for queue in settings.queues]})
            await stopping.wait()
            for runner in runners:
                runner.stop()
            await asyncio.gather(*running)
            if sending is not None:
                sending.cancel()  # what is under way ends first
                with suppress(asyncio.CancelledError):
                    await sending
            operators.should_exit = True
            await serving
    log.info("worker stopped")


class _Context:
    """What the jobs of all queues share. A worker is no node: it takes part in the directory and the doorbell, but nobody
    is connected to it."""

    def __init__(
        self, settings: WorkerSettings, database: Database, link: RedisLink, redis: ArqRedis, start: Start
    ) -> None:
        self.settings = settings
        self.database = database
        self.link = link
        self.redis = redis
        self.ring = KeyRing(settings.encryption_keys)
        self.name = f"worker-{os.urandom(8).hex()}"
        self.directory, self.doorbell = Directory(link, self.name), Doorbell(link, self.name)
        self.push_queue = PushQueue(link, JobQueue(redis), start, self.name)
        self.ringing = Ringing(self.directory, self.doorbell, self.push_queue.add)


async def _pipeline(context: _Context, counts: PushCounts) -> Pipeline:
    push, database, ring = context.settings.push, context.database, context.ring
    providers = await build_providers(push, database, ring)
    log.info("pushing", extra={"providers": [provider.name for provider in providers]})
    reach = Reach(context.link, context.directory)
    return Pipeline(push, providers, database, ring, context.push_queue, reach, counts, _now_ms)


def _jobs(context: _Context, bury: Bury, counts: JobCounts, pipeline: Pipeline | None) -> dict[Queue, Sequence[Job]]:
    settings, database, ringing = context.settings, context.database, context.ringing
    directory, doorbell, name = context.directory, context.doorbell, context.name
    presence = Presence(context.link, database, directory, doorbell, _show_nobody)
    mailer = RoomMailer(name, database, presence, directory, doorbell, unsure=lambda _user: True)
    moods = MoodWork(
        MoodCommits(database, _now_ms),
        lambda shard: MoodStream(context.redis, shard, name),
        JobQueue(context.redis),
        ringing,
        bury,
        partial(load_viewers, database),
        counts,
    )
    care = Care(
        settings.database_url,
        database,
        directory,
        presence,
        settings.mood_retention_months,
        on_gone=context.push_queue.add,
    )
    return {
        Queue.CARE: [
            *care.jobs(),
            *RequestCare(database, ringing).jobs(),
            *GroupCare(database, presence, directory, ringing, mailer, _now_ms).jobs(),
        ],
        Queue.MOODS: [
            *moods.jobs(),
            *StreakNights(database, ringing, _now_ms).jobs(),
            *PatternCare(database, _now_ms).jobs(),
        ],
        Queue.PUSH: [
            *(pipeline.jobs() if pipeline is not None else ()),
            *Reminders(database, ringing, _now_ms).jobs(),
        ],
    }


def _start(group: asyncio.TaskGroup, work: Coroutine[object, object, None], name: str) -> None:
    group.create_task(work, name=name)


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
