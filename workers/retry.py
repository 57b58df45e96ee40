"""What happens to a job that fails: tried again with full jitter, or given up and recorded.

Jobs raise `Transient` or `Permanent` and know nothing of ARQ. Invariant: a job that ends without
having been done leaves a row in `dead_jobs`; while that cannot be written, the job stays in the queue.
"""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Set
from datetime import datetime
from typing import Any

from arq import Retry
from msgspec import Struct

from domain.errors import Refusal, Unavailable
from domain.times import to_ms
from storage.dead_jobs import DeadJob
from storage.jobs import encode_job
from storage.queues import Queue
from workers.counts import JobCounts

ATTEMPTS = 5
BACKOFF_BASE_S = 2.0
BACKOFF_MAX_S = 300.0
UNRECORDED_RETRY_S = 30.0  # PostgreSQL is away: neither the job nor its end can be written

log = logging.getLogger("hugmood.jobs")


class Transient(Exception):  # noqa: N818  it says what kind of failure it is
    """It may work later, and not sooner than *retry_after_s* from now."""

    def __init__(self, reason: str, retry_after_s: float = 0.0) -> None:
        super().__init__(reason)
        self.retry_after_s = retry_after_s


class Permanent(Exception):  # noqa: N818  it says what kind of failure it is
    """It will never work; the text says why."""


class Job(Struct, frozen=True):
    """A function that workers run, by its name in the queue.

    *timeout_s* bounds one try. With *seconds* or *minutes* it is periodic: enqueued by whichever worker
    is first, at these seconds of every minute, or at the start of these minutes of every hour.
    """

    name: str
    run: Callable[..., Awaitable[None]]
    timeout_s: float = 60.0
    seconds: Set[int] | None = None
    minutes: Set[int] | None = None

    @property
    def is_periodic(self) -> bool:
        return self.seconds is not None or self.minutes is not None


Bury = Callable[[DeadJob], Awaitable[None]]


def backoff_s(attempt: int, retry_after_s: float = 0.0) -> float:
    """How long to wait after try *attempt* (from 1): full jitter, and never sooner than *retry_after_s*."""
    return retry_after_s + random.uniform(0.05, min(BACKOFF_MAX_S, BACKOFF_BASE_S * 2 ** (attempt - 1)))  # noqa: S311  jitter


def guarded(job: Job, queue: Queue, bury: Bury, counts: JobCounts) -> Callable[..., Awaitable[None]]:
    """*job* as ARQ calls it. What comes out is a return, a `Retry` or a cancellation, nothing else.

    A periodic job has one try: the next tick is the second one. Only what the next tick cannot heal is
    recorded, in one row per job, so that a broken one does not fill the table.
    """

    async def call(ctx: dict[str, Any], *args: Any, **kwargs: Any) -> None:
        started = time.perf_counter()
        try:
            async with asyncio.timeout(job.timeout_s):
                await job.run(*args, **kwargs)
        except Exception as error:
            failure = _judge(error, job, ctx)
            if isinstance(failure, Transient) and (job.is_periodic or ctx["job_try"] < ATTEMPTS):
                counts.add(queue, job.name, "retried", time.perf_counter() - started)
                if job.is_periodic:
                    return
                raise Retry(defer=backoff_s(ctx["job_try"], failure.retry_after_s)) from error
            await _give_up(job, queue, bury, _dead(job, queue, ctx, args, kwargs, failure))
            counts.add(queue, job.name, "dead", time.perf_counter() - started)
        else:
            counts.add(queue, job.name, "done", time.perf_counter() - started)

    return call


def _judge(error: Exception, job: Job, ctx: dict[str, Any]) -> Transient | Permanent:
    extra = {"job": job.name, "job_id": ctx["job_id"], "try": ctx["job_try"], "reason": str(error)}
    if isinstance(error, Unavailable):
        error = Transient(str(error), error.retry_after_ms / 1000)
    elif isinstance(error, TimeoutError):
        error = Transient(str(error) or f"A time limit has passed; the job's own is {job.timeout_s:g} s.")
    elif isinstance(error, Refusal):
        error = Permanent(str(error))
    if isinstance(error, Transient | Permanent):
        log.warning("job failed", extra=extra)
        return error
    log.error("job failed unexpectedly", extra=extra, exc_info=error)
    reason = f"{type(error).__name__}: {error}"
    return Permanent(reason) if job.is_periodic else Transient(reason)


def _dead(
    job: Job, queue: Queue, ctx: dict[str, Any], args: tuple[Any, ...], kwargs: dict[str, Any], failure: Exception
) -> DeadJob:
    enqueued_at: datetime = ctx["enqueue_time"]
    return DeadJob(
        queue=queue,
        job_id=job.name if job.is_periodic else ctx["job_id"],
        function=job.name,
        enqueued_at=None if job.is_periodic else enqueued_at,
        tries=ctx["job_try"],
        reason=str(failure),
        payload=encode_job({"f": job.name, "a": args, "k": kwargs, "et": to_ms(enqueued_at)}),
    )


async def _give_up(job: Job, queue: Queue, bury: Bury, dead: DeadJob) -> None:
    try:
        await bury(dead)
    except Unavailable as error:
        if not job.is_periodic:
            raise Retry(defer=backoff_s(1, UNRECORDED_RETRY_S)) from error
    else:
        log.error("job given up", extra={"queue": str(queue), "job_id": dead.job_id, "reason": dead.reason})
