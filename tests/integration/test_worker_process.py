"""The worker process as operators run it: it outlives its servers, says how it is, and ends when told."""

import asyncio
import signal
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from storage import keys
from storage.jobs import open_pool
from storage.queues import Queue
from tests.support.servers import KillableServer

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


class WorkerProcess:
    """A running worker and its operators' port."""

    def __init__(self, process: asyncio.subprocess.Process, port: int) -> None:
        self.process = process
        self._client = httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=10)

    async def close(self) -> None:
        await self._client.aclose()

    async def ready(self) -> tuple[int, list[str]]:
        """Status and problems; 0 while nobody listens."""
        try:
            answer = await self._client.get("/readyz")
        except httpx.TransportError:
            return 0, []
        return answer.status_code, answer.json()["problems"]

    async def is_ready(self) -> bool:
        return (await self.ready())[0] == 200

    async def metric(self, line: str) -> float:
        """The value of the sample that begins with *line*; 0 if there is none."""
        text = (await self._client.get("/metrics")).text
        return next((float(each.rsplit(" ", 1)[1]) for each in text.splitlines() if each.startswith(line)), 0.0)

    async def says(self, line: str) -> bool:
        """Does a sample stand there just like this?"""
        return line in (await self._client.get("/metrics")).text.splitlines()

    async def sweeps(self) -> float:
        return await self.metric('hugmood_jobs_total{job="care.sweep_nodes",queue="care",result="done"}')


@asynccontextmanager
async def worker(database_url: str, redis_url: str) -> AsyncIterator[WorkerProcess]:
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.support.care_worker", database_url, redis_url, str(port), cwd=ROOT
    )
    one = WorkerProcess(process, port)
    try:
        await until(one.is_ready, process)
        yield one
    finally:
        await one.close()
        if process.returncode is None:
            process.kill()
        await process.wait()


async def until(
    condition: Callable[[], Awaitable[object]], process: asyncio.subprocess.Process, within_s: float = 30
) -> None:
    """Return once the awaited *condition* holds; fails at once if the process has ended."""
    async with asyncio.timeout(within_s):
        while not await condition():
            assert process.returncode is None
            await asyncio.sleep(0.05)


async def test_it_outlives_a_valkey_that_is_killed(database_url: str, own_redis: Callable[[], KillableServer]) -> None:
    valkey = own_redis()
    async with worker(database_url, valkey.url) as one:
        await until(one.sweeps, one.process)
        before = await one.sweeps()
        valkey.kill()
        assert await one.ready() == (503, ["redis does not answer"])
        valkey.start()
        await until(one.is_ready, one.process)

        async def has_swept() -> bool:
            return await one.sweeps() > before

        await until(has_swept, one.process)
        one.process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(one.process.wait(), 20) == 0


async def test_it_outlives_a_postgres_that_is_killed(
    own_postgres: Callable[[], KillableServer], redis_url: str
) -> None:
    postgres = own_postgres()
    async with worker(postgres.url, redis_url) as one:
        postgres.kill()
        status, problems = await one.ready()
        assert status == 503
        assert problems[0].startswith("postgresql")
        postgres.start()
        await until(one.is_ready, one.process)


async def test_it_ends_when_told_though_valkey_is_away(
    database_url: str, own_redis: Callable[[], KillableServer]
) -> None:
    valkey = own_redis()
    async with worker(database_url, valkey.url) as one:
        valkey.kill()
        one.process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(one.process.wait(), 40) == 0


async def test_the_depth_of_the_queue_is_told(database_url: str, redis_url: str) -> None:
    async with worker(database_url, redis_url) as one, open_pool(redis_url) as redis:
        await redis.zadd(keys.job_queue(Queue.CARE), {"care:later": 1 << 52})
        assert await one.metric('hugmood_queue_depth{queue="care"}') >= 1


async def test_it_tells_of_moods_that_wait_and_of_those_it_gave_up(database_url: str, redis_url: str) -> None:
    async with worker(database_url, redis_url) as one, open_pool(redis_url) as redis:
        one.process.send_signal(signal.SIGSTOP)
        await redis.xadd(keys.mood_stream(3), {"e": b"no mood"})
        one.process.send_signal(signal.SIGCONT)

        async def is_given_up() -> bool:
            return await one.metric('hugmood_moods_total{result="dead"}') == 1

        await until(is_given_up, one.process)
        assert await one.says("hugmood_moods_waiting 0.0")


async def test_a_metrics_port_in_use_is_said_plainly(database_url: str, redis_url: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.support.care_worker",
            database_url,
            redis_url,
            str(taken.getsockname()[1]),
            cwd=ROOT,
            stderr=asyncio.subprocess.PIPE,
        )
        _, stderr = await process.communicate()
    assert process.returncode
    assert b"cannot be opened: in use" in stderr
