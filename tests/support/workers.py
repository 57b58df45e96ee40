"""A real worker process beside the hubs of a test."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from deploy.ports import free_port

ROOT = Path(__file__).parents[2]


@asynccontextmanager
async def worker_running(database_url: str, redis_url: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Serves all queues until the end of the block; what it does is seen by whoever waits for it."""
    argv = [sys.executable, "-m", "tests.support.care_worker", database_url, redis_url, str(free_port())]
    process = await asyncio.create_subprocess_exec(*argv, cwd=ROOT)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
