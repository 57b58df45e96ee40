"""The operators' port of a worker: does it live, can it work, what has it done?"""

import asyncio
import errno
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import uvicorn
from arq.connections import ArqRedis
from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector
from redis.exceptions import RedisError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from domain.errors import Refusal
from storage import keys
from storage.migrate import SchemaMismatch, check
from storage.mood_queue import SHARDS
from storage.postgres import Database
from storage.queues import Queue
from workers.counts import JobCounts

CHECK_WITHIN_S = 2.0


class Health:
    """Answers `/healthz`, `/readyz` and `/metrics`. Ready: PostgreSQL and the job queues' Redis answer."""

    def __init__(
        self, database: Database, redis: ArqRedis, queues: Sequence[Queue], counts: JobCounts, *more: Collector
    ) -> None:
        self._database = database
        self._redis = redis
        self._queues = queues
        self._counts = counts
        self._registry = CollectorRegistry()
        for collector in (counts, *more):
            self._registry.register(collector)
        ProcessCollector(registry=self._registry)

    async def healthz(self, _request: Request) -> Response:
        """The event loop turns."""
        return JSONResponse({"status": "alive"})

    async def readyz(self, _request: Request) -> Response:
        """200 or 503, with what is wrong."""
        problems = []
        try:
            async with asyncio.timeout(CHECK_WITHIN_S):
                await check(self._database)
        except (Refusal, SchemaMismatch, TimeoutError) as error:
            problems.append(f"postgresql: {error}" if str(error) else "postgresql does not answer")
        if not await self._measure_depths():
            problems.append("redis does not answer")
        status = "not ready" if problems else "ready"
        body = {"status": status, "problems": problems, "warnings": []}
        return JSONResponse(body, status_code=503 if problems else 200)

    async def metrics(self, _request: Request) -> Response:
        """The depths of the queues are asked for; all else is in memory."""
        await self._measure_depths()
        return Response(generate_latest(self._registry), media_type=CONTENT_TYPE_LATEST)

    async def _measure_depths(self) -> bool:
        """False, and no depths rather than old ones, if Redis does not answer."""
        self._counts.depths, self._counts.moods_waiting = {}, None
        try:
            async with asyncio.timeout(CHECK_WITHIN_S):
                depths = {queue: await self._redis.zcard(keys.job_queue(queue)) for queue in self._queues}
                if Queue.MOODS in self._queues:
                    streams = [keys.mood_stream(shard) for shard in range(SHARDS)]
                    self._counts.moods_waiting = sum([int(await self._redis.xlen(stream)) for stream in streams])
        except (RedisError, OSError, TimeoutError):
            return False
        self._counts.depths = {str(queue): depth for queue, depth in depths.items()}
        return True

    def app(self) -> Starlette:
        """The application of the operators' port."""
        return Starlette(
            routes=[
                Route("/healthz", self.healthz),
                Route("/readyz", self.readyz),
                Route("/metrics", self.metrics),
            ]
        )


def listen(host: str, port: int) -> socket.socket:
    """The operators' port, bound. Raises: OSError, with the address in its text."""
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        reason = "in use" if error.errno == errno.EADDRINUSE else error.strerror
        raise OSError(error.errno, f"The metrics port {host}:{port} cannot be opened: {reason}") from error


class OperatorsServer(uvicorn.Server):
    """No signals of its own: it ends with the worker, by `should_exit`."""

    def __init__(self, app: Starlette) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                ws="none",
                lifespan="off",
                loop="none",
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=1,
            )
        )

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """uvicorn: the worker listens to signals itself."""
        yield
