"""One queue, run by one ARQ worker for as long as the process lives.

ARQ's loop ends at the first error of Redis that outlasts the retries of its pool. Invariant: here it
begins anew, always; jobs that run meanwhile run on, and nothing that was taken is dropped unrecorded.
"""

import asyncio
import logging
import random
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from arq.connections import ArqRedis
from arq.constants import in_progress_key_prefix, job_key_prefix, retry_key_prefix
from arq.cron import CronJob, cron
from arq.typing import WorkerCoroutine
from arq.worker import Function, Worker, func

from domain.errors import Unavailable
from domain.times import from_ms
from storage import keys
from storage.dead_jobs import DeadJob
from storage.jobs import AWAY, decode_job, encode_job, parse_job
from storage.queues import Queue
from workers.counts import JobCounts
from workers.retry import ATTEMPTS, UNRECORDED_RETRY_S, Bury, Job, guarded

POLL_DELAY_S = 0.02  # 11 ms until a job starts, in the middle; ARQ's default is half a second
JOBS_MAX = 50
READ_LIMIT = 500  # above all that run in all workers: else a poll sees only jobs that are taken already
GRACE_S = 10.0  # over the timeout, until the job of a killed worker is taken by another
STARTS_MAX = ATTEMPTS + 5  # room for workers killed or stopped under it, which ARQ counts as tries too
BACKOFF_MAX_S = 5.0
STABLE_S = 30.0

log = logging.getLogger("hugmood.workers")


class _Stopped(Exception):  # noqa: N818  not a failure
    """The loop was asked to end."""


class _Worker(Worker):
    """ARQ's worker, with the ends covered that no hook of it sees."""

    def __init__(self, queue: Queue, bury: Bury, counts: JobCounts, **options: Any) -> None:
        super().__init__(**options)
        self._queue = queue
        self._bury = bury
        self._counts = counts
        self.is_stopping = False

    async def heart_beat(self) -> None:
        """The end of each poll: the one place where nothing is half taken."""
        if self.is_stopping:
            raise _Stopped
        await super().heart_beat()

    async def finish_failed_job(self, job_id: str, result_data: bytes | None) -> None:
        """Expired, unknown, undecodable, or started too often: record it before ARQ deletes it."""
        payload: bytes | None = await self.pool.get(job_key_prefix + job_id)
        job, ending = parse_job(payload), parse_job(result_data)
        dead = DeadJob(
            queue=self._queue,
            job_id=job_id,
            function=job.function if job else None,
            enqueued_at=from_ms(job.enqueued_ms) if job else None,
            tries=(ending.job_try if ending else None) or 1,
            reason=(ending.result if ending else None) or "ended without a reason",
            payload=payload,
        )
        try:
            await self._bury(dead)
        except Unavailable:
            await self._put_off(job_id)
            return
        self._counts.add(self._queue, dead.function if dead.function in self.functions else "unknown", "dead", 0.0)
        log.error("job given up", extra={"queue": str(self._queue), "job_id": job_id, "reason": dead.reason})
        await super().finish_failed_job(job_id, result_data)

    async def _put_off(self, job_id: str) -> None:
        """PostgreSQL is away. What it kept from being done is not to blame for its number of starts."""
        due = datetime.now(UTC) + timedelta(seconds=UNRECORDED_RETRY_S)
        async with self.pool.pipeline(transaction=True) as pipe:
            pipe.zadd(self.queue_name, {job_id: int(due.timestamp() * 1000)})
            pipe.setex(retry_key_prefix + job_id, timedelta(days=1), ATTEMPTS - 1)
            pipe.delete(in_progress_key_prefix + job_id)
            await pipe.execute()


class Runner:
    """Runs the jobs of one queue until `stop`."""

    def __init__(
        self,
        queue: Queue,
        jobs: Sequence[Job],
        redis: ArqRedis,
        bury: Bury,
        counts: JobCounts,
        *,
        jobs_max: int = JOBS_MAX,
        grace_s: float = GRACE_S,
        poll_delay_s: float = POLL_DELAY_S,
    ) -> None:
        self.queue = queue
        self._jobs = jobs
        self._redis = redis
        self._bury = bury
        self._counts = counts
        self._jobs_max = jobs_max
        self._grace_s = grace_s
        self._poll_delay_s = poll_delay_s
        self._stopping = asyncio.Event()
        self._worker: _Worker | None = None
        self._tasks: set[asyncio.Task[Any]] = set()  # of loops that have ended

    def stop(self) -> None:
        """Take no more jobs; `run` returns when those that run have ended."""
        self._stopping.set()
        if self._worker is not None:
            self._worker.allow_pick_jobs = False
            self._worker.is_stopping = True

    async def run(self, stop_wait_s: float) -> None:
        """Take and run jobs until `stop`. What still runs *stop_wait_s* after that is cancelled, and run again elsewhere."""
        failures = 0
        try:
            while not self._stopping.is_set():
                started = time.monotonic()
                await self._loop()
                if not self._stopping.is_set():
                    self._counts.restarts += 1
                    failures = 1 if time.monotonic() - started > STABLE_S else failures + 1
                    await self._pause(failures)
        finally:
            await self._finish(stop_wait_s)

    async def _loop(self) -> None:
        """One life of ARQ's loop: until `stop`, or the first error that gets through to it."""
        worker = self._worker = self._make_worker()
        try:
            await worker.main()
        except _Stopped:
            return
        except AWAY as error:
            log.warning("the job queue is away", extra={"queue": str(self.queue), "reason": str(error)})
        except Exception:
            log.exception("the loop around ARQ ended", extra={"queue": str(self.queue)})
        finally:
            self._tasks = {task for task in self._tasks if not task.done()} | set(worker.tasks.values())

    async def _pause(self, failures: int) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(random.uniform(0.05, min(BACKOFF_MAX_S, 0.1 * 2**failures))):  # noqa: S311  jitter
                await self._stopping.wait()

    async def _finish(self, stop_wait_s: float) -> None:
        tasks = {task for task in self._tasks if not task.done()}
        if tasks:
            log.info("waiting for running jobs", extra={"queue": str(self.queue), "jobs": len(tasks)})
            await asyncio.wait(tasks, timeout=stop_wait_s)
        for task in tasks:
            task.cancel()  # ARQ puts a cancelled job back into its queue
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _make_worker(self) -> _Worker:
        worker = _Worker(
            self.queue,
            self._bury,
            self._counts,
            functions=[self._function(job) for job in self._jobs if not job.is_periodic],
            cron_jobs=[self._cron(job) for job in self._jobs if job.is_periodic],
            redis_pool=self._redis,
            queue_name=keys.job_queue(self.queue),
            handle_signals=False,
            max_jobs=self._jobs_max,
            poll_delay=self._poll_delay_s,
            queue_read_limit=READ_LIMIT,
            keep_result=0,  # a kept result would block the same job id
            max_tries=STARTS_MAX,
            job_serializer=encode_job,
            job_deserializer=decode_job,
            timezone=UTC,
            log_results=False,
            health_check_key=f"{keys.job_queue(self.queue)}:health",
        )
        worker.in_progress_timeout_s = max(job.timeout_s for job in self._jobs) + self._grace_s
        return worker

    def _function(self, job: Job) -> Function:
        return func(self._call(job), name=job.name, timeout=self._backstop_s(job), keep_result=0, max_tries=STARTS_MAX)

    def _cron(self, job: Job) -> CronJob:
        return cron(
            self._call(job),
            name=job.name,
            second=set(job.seconds) if job.seconds is not None else 0,
            minute=set(job.minutes) if job.minutes is not None else None,
            run_at_startup=job.minutes is not None,
            timeout=self._backstop_s(job),
            max_tries=STARTS_MAX,
        )

    def _call(self, job: Job) -> WorkerCoroutine:
        return cast("WorkerCoroutine", guarded(job, self.queue, self._bury, self._counts))

    def _backstop_s(self, job: Job) -> float:
        """ARQ's own timeout fails a job for good, unrecorded: ours must always come first."""
        return job.timeout_s + self._grace_s / 2
