"""The job queue: how work that is slow or retried is handed to a worker.

ARQ runs each job at least once, so that every job must be idempotent. Invariant: what stands in the
queue is MessagePack of a known shape, never pickle, so that nobody who can write to Redis can run code.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from arq.connections import ArqRedis
from redis.asyncio import BlockingConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import FullJitterBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from domain.errors import Unavailable
from storage import keys
from storage.queues import Queue

SOCKET_TIMEOUT_S = 5.0
CONNECT_TIMEOUT_S = 3.0
POOL_WAIT_S = 5
RETRIES = 5  # of one Redis command, about 2 s in all: a restart of Redis on the same machine
RETRY_CAP_S = 1.0
RETRY_BASE_S = 0.05
CONNECTIONS_MAX = 20

# What Redis being away looks like through redis-py. Its own ConnectionError is not the builtin one.
AWAY = (RedisConnectionError, RedisTimeoutError, OSError)


class QueuedJob(msgspec.Struct, frozen=True):
    """A job as it stands in Redis; the short names are ARQ's."""

    function: str = msgspec.field(name="f")
    args: list[Any] = msgspec.field(name="a")
    kwargs: dict[str, Any] = msgspec.field(name="k")
    enqueued_ms: int = msgspec.field(name="et")
    job_try: int | None = msgspec.field(name="t", default=None)
    result: str | None = msgspec.field(name="r", default=None)  # of a failed one: what ARQ has to say


def _plain(value: object) -> str:
    """What MessagePack cannot hold: results of failed jobs are exceptions."""
    if isinstance(value, BaseException):
        return str(value) or type(value).__name__
    raise NotImplementedError(f"a job cannot carry a {type(value).__name__}")


_encoder = msgspec.msgpack.Encoder(enc_hook=_plain)
_decoder = msgspec.msgpack.Decoder(QueuedJob)


def encode_job(job: dict[str, Any]) -> bytes:
    """What ARQ wants stored, as bytes. Raises: NotImplementedError for arguments that are not plain data."""
    return _encoder.encode(job)


def decode_job(data: bytes) -> dict[str, Any]:
    """The job in *data*, in ARQ's form. Raises: msgspec.DecodeError for anything of another shape."""
    job = _decoder.decode(data)
    return {"f": job.function, "a": job.args, "k": job.kwargs, "et": job.enqueued_ms, "t": job.job_try}


def parse_job(data: bytes | None) -> QueuedJob | None:
    """The job in *data*, or None if there is none that can be read."""
    if data is None:
        return None
    try:
        return _decoder.decode(data)
    except (msgspec.DecodeError, RecursionError):
        return None


@asynccontextmanager
async def open_pool(redis_url: str) -> AsyncIterator[ArqRedis]:
    """ARQ's connections, built to outlive a restart of Redis.

    ARQ's own `create_pool` raises at the first refused connection, and its sockets wait for ever for a
    server that has gone without saying so.
    """
    tcp_only = {} if redis_url.startswith("unix:") else {"socket_keepalive": True}
    pool = BlockingConnectionPool.from_url(
        redis_url,
        max_connections=CONNECTIONS_MAX,
        timeout=POOL_WAIT_S,
        socket_timeout=SOCKET_TIMEOUT_S,
        socket_connect_timeout=CONNECT_TIMEOUT_S,
        health_check_interval=30,
        retry=Retry(FullJitterBackoff(cap=RETRY_CAP_S, base=RETRY_BASE_S), RETRIES),
        retry_on_error=list(AWAY),
        **tcp_only,
    )
    redis = ArqRedis(
        pool_or_conn=pool,
        job_serializer=encode_job,
        job_deserializer=decode_job,
        default_queue_name=keys.job_queue(Queue.CARE),
    )
    try:
        yield redis
    finally:
        await redis.aclose(close_connection_pool=True)


class JobQueue:
    """The producers' side."""

    def __init__(self, redis: ArqRedis) -> None:
        self._redis = redis

    async def enqueue(
        self, queue: Queue, function: str, *args: object, job_id: str | None = None, defer_s: float = 0
    ) -> bool:
        """Have *function* run once with *args*, not sooner than *defer_s* from now.

        With a *job_id*, False if a job of this queue with the same id still waits or runs. Deploy the
        workers that know *function* before what enqueues it. Raises: Unavailable.
        """
        return await self._put(queue, function, args, {}, None if job_id is None else f"{queue}:{job_id}", defer_s)

    async def put_back(self, queue: Queue, job_id: str, job: QueuedJob) -> bool:
        """Have *job*, which was given up, run again as if it were new. *job_id*: the one it had in Redis.

        False if one with this id waits or runs there. Raises: Unavailable.
        """
        return await self._put(queue, job.function, job.args, job.kwargs, job_id, 0)

    async def _put(
        self,
        queue: Queue,
        function: str,
        args: Sequence[object],
        kwargs: Mapping[str, Any],
        job_id: str | None,
        defer_s: float,
    ) -> bool:
        try:
            job = await self._redis.enqueue_job(
                function,
                *args,
                _job_id=job_id,
                _queue_name=keys.job_queue(queue),
                _defer_by=defer_s or None,
                **kwargs,
            )
        except (RedisError, OSError) as error:
            raise Unavailable from error
        return job is not None
